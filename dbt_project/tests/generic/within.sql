{#- Values outside [at_least, at_most], and those that are no number. Null means not measurable and passes. -#}
{% test within(model, column_name, at_least, at_most) %}

select {{ column_name }}
from {{ model }}
where
    {{ column_name }} is not null
    and (not isfinite({{ column_name }}) or {{ column_name }} < {{ at_least }} or {{ column_name }} > {{ at_most }})

{% endtest %}
