# The core, with each of its allocations failing in turn: the linker puts the test's functions before the C library's.
unit_test(alloc rc_worker rc_report rc_mail rc_ledger rc_codec aggregator_core)
target_sources(test_alloc PRIVATE ${CMAKE_SOURCE_DIR}/tests/unit/codec_samples.c ${CMAKE_SOURCE_DIR}/producer/cli/csv.c)
target_link_options(test_alloc PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray,--wrap=strdup,--wrap=strndup)
set_tests_properties(alloc PROPERTIES TIMEOUT 300)
