unit_test(base rc_base)
unit_test(codec rc_codec)
target_sources(test_codec PRIVATE ${CMAKE_SOURCE_DIR}/tests/unit/codec_samples.c)
unit_test(codec_avro rc_codec PkgConfig::avro-c)
target_sources(test_codec_avro PRIVATE ${CMAKE_SOURCE_DIR}/tests/unit/codec_samples.c)
unit_test(codec_foreign rc_codec)
unit_test(json_event rc_codec)

# Driven by tests/integration/test_schemas.py; no test by itself.
add_executable(codec_driver ${CMAKE_SOURCE_DIR}/tests/integration/codec_driver.c ${CMAKE_SOURCE_DIR}/tests/unit/codec_samples.c)
target_include_directories(codec_driver PRIVATE ${CMAKE_SOURCE_DIR}/tests/unit)
target_link_libraries(codec_driver PRIVATE rollcall_flags rc_codec PkgConfig::jansson)
