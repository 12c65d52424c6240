{{ edge_of_closed(ref('stg_lane_positions'), ['lane']) }}
