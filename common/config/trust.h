/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * May a file that nobody named be obeyed? Only when nobody but the caller and root can have written
 * it: the file, its folder and every folder above belong to one of them, and others may not write
 * there.
 */
#include "base/err.h"

/* ERR_FATAL, "PATH: …", unless `path` (a file or a folder; symbolic links are followed first) is
 * the caller's or root's alone. */
int trust_check(const char *path, struct err *e) MUST_CHECK;
/* The same for a folder and each entry in it. */
int trust_check_folder(const char *path, struct err *e) MUST_CHECK;
