select what, detail from rollcall.troubles($1::bigint * interval '1 ms') order by 1
