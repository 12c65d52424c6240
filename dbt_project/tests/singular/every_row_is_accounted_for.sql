-- Each raw row ends as exactly one of clean, quarantined or duplicate.
with

final as (
    select
        venue,
        day,
        feed,
        instrument,
        raw_rows,
        clean_rows + quarantined_rows + duplicate_rows as judged_rows
    from {{ ref('kpi_rows_daily') }}
)

select venue, day, feed, instrument, raw_rows, judged_rows
from final
where raw_rows <> judged_rows
