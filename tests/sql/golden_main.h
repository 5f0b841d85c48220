/* The command line of runners of golden files: [--print] FILE|FOLDER...  Thread: one. */
#ifndef FLINC_TESTS_SQL_GOLDEN_MAIN_H
#define FLINC_TESTS_SQL_GOLDEN_MAIN_H

#include "tests/sql/golden.h"

/* Prints what differs, with file and line, and how many statements there were; 1 when any did.  --print shows what
 * came out in the format of the files, to be compared by eye with what should; nothing is ever written over. */
int golden_main(int argc, char **argv, const struct golden_session_ops *ops);

#endif
