unit_test(csv rc_base)
target_sources(test_csv PRIVATE ${CMAKE_SOURCE_DIR}/producer/cli/csv.c)
