select id as subject from person where status = 'active' and expires_at < :now
