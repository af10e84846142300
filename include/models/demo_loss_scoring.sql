-- Loans granted in the window, with what was known at application: the features of demo_loss.sql, without the outcome.
with loans as (
    select *
    from lender.applications
    where applied_at >= :window_start
      and applied_at < :window_end
      and recorded_at <= :as_of
)

select
    loans.application_id,
    loans.applied_at,
    loans.recorded_at as known_at,
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
    published.rate as unemployment,
    loans.age_band
from loans
left join lateral (
    select unemployment.rate
    from lender.unemployment
    where unemployment.region = loans.region
      and unemployment.recorded_from <= loans.applied_at
      and (unemployment.recorded_to > loans.applied_at or unemployment.recorded_to is null)
    order by unemployment.valid_from desc
    limit 1
) as published on true
