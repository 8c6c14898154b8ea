/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The bound of what a compressed batch may decompress to. Inside the kafka room only. */
#include <stddef.h>

size_t opened_max(void); /* bytes */
