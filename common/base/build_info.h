/* Which source this is built from: for --version, /config, logs.  Thread: any. */
#ifndef FLINC_COMMON_BASE_BUILD_INFO_H
#define FLINC_COMMON_BASE_BUILD_INFO_H

const char *build_commit(void); /* "b27e363"; "unknown" when it was built outside of a checkout */
const char *
build_revision(void); /* "b27e363 @ 2026-01-31T12:00:00+00:00": with the commit's date */

#endif
