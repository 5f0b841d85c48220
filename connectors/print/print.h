/* 'connector' = 'print': a line per row on standard output or error.  Flink: PrintTableSinkFactory. */
#ifndef FLINC_CONNECTORS_PRINT_PRINT_H
#define FLINC_CONNECTORS_PRINT_PRINT_H

#include "engine/table/table.h"

extern const struct table_connector connector_print;

#endif
