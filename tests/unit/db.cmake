unit_test(db_columns rc_db)
