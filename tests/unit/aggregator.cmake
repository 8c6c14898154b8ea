unit_test(report rc_report)
unit_test(fold aggregator_core)
