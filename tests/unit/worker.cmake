unit_test(batch rc_worker)
unit_test(pause rc_worker)
