/* What failures of WebHDFS mean: whether another try may help and where, the code, the words.  Thread: any. */
#ifndef FLINC_COMMON_FS_HDFS_FAILURES_H
#define FLINC_COMMON_FS_HDFS_FAILURES_H

#include "common/fs/hdfs/client.h"

enum hdfs_verdict {
    HDFS_FAILED,     /* another try would not help */
    HDFS_AGAIN,      /* later */
    HDFS_OTHER_NODE, /* at another name node */
};
/* Of a call whose last answer was no good one. */
enum hdfs_verdict hdfs_failure_verdict(const struct hdfs_call *call);
enum error_code hdfs_failure_code(const struct hdfs_call *call);
/* "it answered 403 SafeModeException: Cannot create file ..." */
void hdfs_failure_words(const struct hdfs_call *call, struct str *ret_text);
/* Who, where, why and what to do.  Returns the code. */
int hdfs_failure_set(const struct hdfs_call *call, const char *who, struct error *err);

#endif
