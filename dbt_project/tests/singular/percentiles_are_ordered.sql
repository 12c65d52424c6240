-- A higher percentile is never the smaller delay.
with

final as (
    select venue, day, feed, instrument, min_ms, p50_ms, p95_ms, p99_ms, max_ms
    from {{ ref('kpi_latency_daily') }}
)

select venue, day, feed, instrument, min_ms, p50_ms, p95_ms, p99_ms, max_ms
from final
where not (min_ms <= p50_ms and p50_ms <= p95_ms and p95_ms <= p99_ms and p99_ms <= max_ms)
