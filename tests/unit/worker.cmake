unit_test(batch rc_worker)
