/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What --help and the hidden --man of a daemon print. Private to this room. */

/* `help`: what the program does, in a few lines. */
void daemon_print_help(const char *program, const char *help);
/* PROGRAM(8) as roff. */
void daemon_print_man(const char *program, const char *help);
