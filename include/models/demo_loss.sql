-- Loans granted in the window, with the share of the money due that did not come in, as it was known at :as_of.
with
-- 1. loans of the window, as they looked when they were granted
loans as (
    select *
    from lender.applications
    where applied_at >= :window_start
      and applied_at < :window_end
      and recorded_at <= :as_of
),

-- 2. instalments due within five months of application, by the latest word then known
payments as (
    select distinct on (instalments.application_id, instalments.number)
        instalments.application_id,
        instalments.amount,
        instalments.recorded_at,
        coalesce(instalments.paid_on <= cast(loans.applied_at + interval '6 months' as date), false) as paid
    from lender.instalments
    join loans on loans.application_id = instalments.application_id
    where instalments.recorded_at <= :as_of
      and instalments.due_on <= cast(loans.applied_at + interval '5 months' as date)
    order by instalments.application_id, instalments.number, instalments.recorded_at desc
),

-- 3. the share of them unpaid six months after application
shares as (
    select
        application_id,
        max(recorded_at) as recorded_at,
        cast(coalesce(sum(amount) filter (where not paid), 0) / sum(amount) as double precision) as unpaid_share
    from payments
    group by application_id
),

-- 4. the region's unemployment as the applicant's day knew it: the newest month published by then, as it stood then;
--    a later revision is of no use to whoever decides about an application
rates as (
    select
        loans.application_id,
        published.rate
    from loans
    cross join lateral (
        select unemployment.rate
        from lender.unemployment
        where unemployment.region = loans.region
          and unemployment.recorded_from <= loans.applied_at
          and (unemployment.recorded_to > loans.applied_at or unemployment.recorded_to is null)
        order by unemployment.valid_from desc
        limit 1
    ) as published
)

-- 5. with what was known at application
select
    loans.application_id,
    loans.applied_at,
    greatest(loans.recorded_at, shares.recorded_at) as known_at,
    shares.unpaid_share,
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
    rates.rate as unemployment,
    loans.age_band
from loans
join shares on shares.application_id = loans.application_id
left join rates on rates.application_id = loans.application_id
