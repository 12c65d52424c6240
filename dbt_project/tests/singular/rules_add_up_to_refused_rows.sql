-- The rules' counts sum to the quarantined and duplicate rows, key by key.
with

by_rule as (
    select
        venue,
        day,
        feed,
        instrument,
        sum(refused_rows) as refused_rows
    from {{ ref('kpi_quarantine_daily') }}
    group by venue, day, feed, instrument
),

by_stage as (
    select
        venue,
        day,
        feed,
        instrument,
        quarantined_rows + duplicate_rows as refused_rows
    from {{ ref('kpi_rows_daily') }}
    where quarantined_rows + duplicate_rows > 0
),

final as (
    select
        coalesce(by_rule.venue, by_stage.venue) as venue,
        coalesce(by_rule.day, by_stage.day) as day,
        coalesce(by_rule.feed, by_stage.feed) as feed,
        coalesce(by_rule.instrument, by_stage.instrument) as instrument,
        by_rule.refused_rows as by_rule_rows,
        by_stage.refused_rows as by_stage_rows
    from by_rule
    full join by_stage
        on
            by_rule.venue = by_stage.venue
            and by_rule.day = by_stage.day
            and by_rule.feed = by_stage.feed
            and by_rule.instrument = by_stage.instrument
)

select venue, day, feed, instrument, by_rule_rows, by_stage_rows
from final
where by_rule_rows is distinct from by_stage_rows
