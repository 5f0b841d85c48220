/* The bounds of a job's parallelism as bytes: a JobRequirements of proto/elastic.proto.
 *
 * Thread: any.  Flink: JobResourceRequirements.writeToExecutionPlan, readFromExecutionPlan. */
#ifndef FLINC_JOBMANAGER_RECOVERY_REQUIREMENTS_H
#define FLINC_JOBMANAGER_RECOVERY_REQUIREMENTS_H

#include "jobmanager/jobmaster/jobmaster.h"

void requirements_pack(const struct job_requirement *requirements, size_t n, struct str *ret_bytes);
/* Appends to a vec of struct job_requirement.  ERR_CORRUPT says what is wrong; whether they fit the job, its job master says. */
int requirements_unpack(struct slice bytes, struct vec *ret, struct error *err) MUST_CHECK;

#endif
