/* 'connector' = 'nexmark': the events of the Nexmark benchmark as a table; see README.md. */
#ifndef FLINC_CONNECTORS_NEXMARK_NEXMARK_H
#define FLINC_CONNECTORS_NEXMARK_NEXMARK_H

#include "engine/table/table.h"

extern const struct table_connector connector_nexmark;
extern const struct operator_desc operator_table_nexmark;

#endif
