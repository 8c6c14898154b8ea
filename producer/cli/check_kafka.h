/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "finding.h"

/* The brokers, and each topic with its partitions. */
void check_kafka(struct check *k);
