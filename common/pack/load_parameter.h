/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Settings, arguments and report parameters of pack.cfg. */
#include "pack/load.h"

enum parameter_kind { PARAMETER_SETTING, PARAMETER_ARGUMENT, PARAMETER_OF_REPORT };
int load_parameters(struct loader *l, const struct cfg_node *parent, const char *key,
                    enum parameter_kind kind, struct parameter **ret, size_t *ret_n, struct err *e)
        MUST_CHECK;
/* A node's value as text, checked; a list becomes an array's text. The text lives in the arena. */
int load_value(struct loader *l, const struct cfg_node *n, const struct parameter *d,
               const char **ret, struct err *e) MUST_CHECK;
/* The pack's setting that `n` gives a value to. */
int load_setting(struct loader *l, const struct cfg_node *n, const struct parameter **ret,
                 const char **value, struct err *e) MUST_CHECK;
