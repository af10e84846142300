-- Loans issued in the window, with the label as it was known at :as_of.
-- The file has no charge-off date: a charge-off follows 150 days without payment, so the day it became known is the
-- last payment (or the issue date where there was none) plus 150 days. A loan not charged off by then is good so far.
with
-- 1. loans whose application falls into the window
loans as (
    select
        *,
        issue_d at time zone 'UTC' as issued_at,
        case
            when loan_status like '%Charged Off'
            then (coalesce(last_pymnt_d, issue_d) + interval '150 days') at time zone 'UTC'
        end as charged_off_at
    from lending_club
    where issue_d at time zone 'UTC' >= :window_start
      and issue_d at time zone 'UTC' < :window_end
),

-- 2. the outcome, as far as it was known: a later charge-off has not happened yet
outcomes as (
    select
        loans.*,
        coalesce(
            charged_off_at <= :as_of
            and charged_off_at < issued_at + interval '18 months',
            false
        ) as charged_off
    from loans
)

-- 3. what was known at application, typed
select
    src_row as loan_id,
    issued_at,
    case when charged_off then charged_off_at else issued_at end as known_at,
    charged_off::int as charged_off,
    loan_amnt,
    int_rate,
    annual_inc,
    dti,
    case
        when emp_length like '<%' then 0
        else nullif(regexp_replace(emp_length, '\D', '', 'g'), '')::int
    end as emp_years,
    delinq_2yrs,
    inq_last_6mths,
    open_acc,
    pub_rec,
    revol_bal,
    revol_util,
    total_acc,
    extract(epoch from issue_d - earliest_cr_line) / 31557600 as credit_age_years,
    purpose,
    home_ownership,
    verification_status,
    term,
    sub_grade
from outcomes
