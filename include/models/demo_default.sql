-- Loans granted in the window, with the default label as it was known at :as_of.
with
-- 1. loans of the window, as they looked when they were granted
loans as (
    select *
    from lender.applications
    where applied_at >= :window_start
      and applied_at < :window_end
      and recorded_at <= :as_of
),

-- 2. how each ended, by the latest word then known: corrections and recoveries overturn what stood before
endings as (
    select distinct on (outcomes.application_id)
        outcomes.application_id,
        outcomes.status,
        outcomes.occurred_on,
        outcomes.recorded_at
    from lender.outcomes
    join loans on loans.application_id = outcomes.application_id
    where outcomes.recorded_at <= :as_of
    order by outcomes.application_id, outcomes.recorded_at desc
)

-- 3. default within six months of application; a recovered loan did default, a reversed one did not
select
    loans.application_id,
    loans.applied_at,
    greatest(loans.recorded_at, endings.recorded_at) as known_at,
    coalesce(
        endings.status in ('defaulted', 'recovered')
        and endings.occurred_on < cast(loans.applied_at + interval '6 months' as date),
        false
    )::int as defaulted,
    endings.occurred_on as ended_on,
    loans.amount,
    loans.term,
    loans.income,
    loans.prior_loans,
    loans.bureau_score,
    loans.utilisation,
    loans.employment,
    loans.channel,
    loans.purpose,
    loans.region,
    loans.age_band
from loans
left join endings on endings.application_id = loans.application_id
