/* Where the distribution lies that a program of libexec/ belongs to.  Thread: any. */
#ifndef FLINC_JOBMANAGER_PROCESS_HOME_H
#define FLINC_JOBMANAGER_PROCESS_HOME_H

#include "common/base/str.h"

/* A folder or file of the distribution that this program lies in: "usrlib", "libexec/flinc-jobbuilder". */
void services_home_path(const char *name, struct str *ret_path);

#endif
