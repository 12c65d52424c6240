with

counts as (
    select
        venue,
        day,
        cast(sum(raw_rows) as bigint) as raw_rows,
        cast(sum(clean_rows) as bigint) as clean_rows,
        cast(sum(quarantined_rows) as bigint) as quarantined_rows,
        cast(sum(duplicate_rows) as bigint) as duplicate_rows
    from {{ ref('kpi_rows_daily') }}
    group by venue, day
),

coverage as (
    select
        venue,
        day,
        cast(sum(session_minutes) as bigint) as session_minutes,
        cast(sum(bar_minutes) as bigint) as bar_minutes
    from {{ ref('kpi_coverage_daily') }}
    group by venue, day
),

latency as (
    select
        venue,
        day,
        max(p50_ms) as worst_p50_ms,
        max(p95_ms) as worst_p95_ms,
        max(p99_ms) as worst_p99_ms
    from {{ ref('kpi_latency_daily') }}
    group by venue, day
),

gaps as (
    select
        venue,
        day,
        cast(sum(gaps) as bigint) as gaps,
        sum(gap_minutes) as gap_minutes
    from {{ ref('kpi_gaps_daily') }}
    group by venue, day
),

spread as (
    select
        venue,
        day,
        quantile_disc(median_bps, 0.5) as median_spread_bps
    from {{ ref('kpi_spread_daily') }}
    group by venue, day
),

activity as (
    select
        venue,
        day,
        cast(sum(trades) as bigint) as trades,
        cast(sum(quotes) as bigint) as quotes
    from {{ ref('kpi_activity_daily') }}
    group by venue, day
),

-- a session without ticks has a row too, so that a missing day is seen
venue_days as (
    select venue, day
    from counts
    union distinct
    select venue, day
    from coverage
),

final as (
    select
        venue_days.venue,
        venue_days.day,
        coalesce(counts.raw_rows, 0) as raw_rows,
        coalesce(counts.clean_rows, 0) as clean_rows,
        coalesce(counts.quarantined_rows, 0) as quarantined_rows,
        coalesce(counts.duplicate_rows, 0) as duplicate_rows,
        counts.clean_rows / nullif(counts.clean_rows + counts.quarantined_rows, 0) as clean_ratio,
        coalesce(coverage.session_minutes, 0) as session_minutes,
        coalesce(coverage.bar_minutes, 0) as bar_minutes,
        coverage.bar_minutes / nullif(coverage.session_minutes, 0) as coverage,
        latency.worst_p50_ms,
        latency.worst_p95_ms,
        latency.worst_p99_ms,
        coalesce(gaps.gaps, 0) as gaps,
        coalesce(gaps.gap_minutes, 0) as gap_minutes,
        spread.median_spread_bps,
        coalesce(activity.trades, 0) as trades,
        coalesce(activity.quotes, 0) as quotes
    from venue_days
    left join counts using (venue, day)
    left join coverage using (venue, day)
    left join latency using (venue, day)
    left join gaps using (venue, day)
    left join spread using (venue, day)
    left join activity using (venue, day)
)

select
    venue,
    day,
    raw_rows,
    clean_rows,
    quarantined_rows,
    duplicate_rows,
    clean_ratio,
    session_minutes,
    bar_minutes,
    coverage,
    worst_p50_ms,
    worst_p95_ms,
    worst_p99_ms,
    gaps,
    gap_minutes,
    median_spread_bps,
    trades,
    quotes
from final
