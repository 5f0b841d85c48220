"""The tables of the generated statements: small, with NULLs, duplicates and keys without a partner."""

N = None

# name: (columns with types, rows)
TABLES = {
    "emp": (
        [("id", "INT"), ("name", "STRING"), ("dept", "INT"), ("boss", "INT"), ("pay", "INT"), ("bonus", "DECIMAL(7, 2)"), ("hired", "DATE")],
        [
            (1, "Ann", 10, N, 900, "100.50", "2019-01-15"), (2, "Bob", 10, 1, 500, "20.25", "2020-02-29"),
            (3, "Cid", 20, 1, 700, N, "2020-03-01"), (4, "Dee", 20, 3, 300, "0.00", "2021-12-31"),
            (5, "Eve", 20, 3, 300, "33.33", "2021-12-31"), (6, "Fay", 30, 1, N, N, "2018-06-30"),
            (7, "Gus", N, 6, 450, "12.75", N), (8, "Hal", 30, 6, 450, "-5.50", "2022-01-01"),
            (9, "Ida", 99, 2, 620, "7.00", "2019-07-07"), (10, N, 10, 2, 500, "20.25", "2020-02-29"),
            (11, "Jon", N, N, -40, N, "2023-05-05"), (12, "ann", 20, 4, 710, "0.01", "2020-03-01"),
        ],
    ),
    "dept": (
        [("id", "INT"), ("title", "STRING"), ("city", "STRING"), ("budget", "BIGINT")],
        [(10, "Sales", "Rome", 5000), (20, "Ops", "Oslo", 9000000000), (30, "Law", N, 700), (40, "Void", "Rome", N), (50, "Art", "Oslo", 0)],
    ),
    "sale": (
        [("id", "INT"), ("emp", "INT"), ("item", "STRING"), ("qty", "INT"), ("price", "DECIMAL(8, 2)"), ("sold", "TIMESTAMP(0)")],
        [
            (1, 1, "pen", 3, "1.20", "2024-01-01 08:00:00"), (2, 1, "ink", 1, "7.99", "2024-01-01 09:30:00"),
            (3, 2, "pen", 3, "1.20", "2024-01-02 08:00:00"), (4, 2, "pad", 2, "3.50", "2024-01-02 08:00:00"),
            (5, 3, N, 5, "0.99", "2024-01-03 23:59:59"), (6, 3, "ink", N, "8.10", "2024-01-04 00:00:00"),
            (7, 5, "pen", 10, "1.10", "2024-01-04 00:00:01"), (8, 5, "pad", 1, N, "2024-01-31 12:00:00"),
            (9, 5, "cup", 4, "12.00", "2024-02-01 12:00:00"), (10, 8, "cup", 1, "12.50", "2024-02-29 06:00:00"),
            (11, N, "pen", 7, "1.25", "2024-02-29 06:00:00"), (12, N, "ink", 2, "7.99", N),
            (13, 77, "hat", 1, "25.00", "2024-03-01 00:00:00"), (14, 9, "hat", 0, "24.00", "2024-03-15 18:45:00"),
            (15, 9, "pen", -2, "1.20", "2024-03-15 18:45:00"), (16, 12, "pad", 6, "3.45", "2024-03-31 23:00:00"),
        ],
    ),
    "a": (
        [("k", "INT"), ("v", "STRING"), ("x", "INT")],
        [(1, "one", 5), (2, "two", 3), (2, "zwei", 8), (3, "three", N), (4, N, 1), (N, "none", 2), (N, N, N), (6, "six", 5)],
    ),
    "b": (
        [("k", "INT"), ("w", "STRING"), ("x", "BIGINT")],
        [(1, "eins", 5), (2, "deux", 9), (2, "dos", 2), (2, N, N), (3, "tres", 7), (5, "cinq", 5), (N, "nada", 1), (6, "six", 0)],
    ),
    "e": ([("k", "INT"), ("v", "STRING"), ("x", "INT")], []),
}  # fmt: skip


def cell(value, sql_type):
    if value is None:
        return f"CAST(NULL AS {sql_type})"
    if sql_type == "STRING":
        return f"'{value}'"
    if sql_type in ("INT", "BIGINT") or sql_type.startswith("DECIMAL"):
        return f"CAST({value} AS {sql_type})"
    return f"{sql_type.split('(')[0]} '{value}'"


def views():
    """Views over VALUES; both engines understand them."""
    for name, (columns, rows) in TABLES.items():
        names = ", ".join(c for c, _ in columns)
        some = rows or [tuple(None for _ in columns)]
        lines = ",\n".join("  (" + ", ".join(cell(v, t) for v, (_, t) in zip(row, columns)) + ")" for row in some)
        nothing = "" if rows else " WHERE FALSE"
        yield f"CREATE VIEW {name} ({names}) AS SELECT {names} FROM (VALUES\n{lines}\n) AS v({names}){nothing}"
