"""Random queries: joins, conditions, groups, windows, set operations and subqueries within each other, by a seed.

Integers stay small, nothing is divided by a column, and rows are only cut behind an order over all columns: what comes out is
determined."""

import random

import tables

INT, STR, BOOL = "i", "s", "b"
KINDS = {"INT": INT, "BIGINT": INT, "STRING": STR}


class Scope:
    """What can be referred to: [(text, kind)]; those of the queries around as well."""

    def __init__(self, columns, outer=()):
        self.columns, self.outer = columns, list(outer)

    def of(self, kind):
        return [t for t, k in self.columns if k == kind]


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.aliases = 0

    def chance(self, p):
        return self.r.random() < p

    def alias(self):
        self.aliases += 1
        return f"t{self.aliases}"

    # ---- expressions ----

    def integer(self, s, depth=2):
        own = s.of(INT)
        if s.outer and self.chance(0.1):
            own = [t for t, k in s.outer if k == INT]
        if depth == 0 or self.chance(0.45):
            return self.r.choice(own) if own and self.chance(0.8) else str(self.r.randint(-3, 12))
        a, b = (lambda: self.integer(s, depth - 1)), (lambda: self.integer(s, depth - 1))
        makers = [
            lambda: f"({a()} + {b()})",
            lambda: f"({a()} - {b()})",
            lambda: f"({a()} * {self.r.randint(-2, 3)})",
            lambda: f"({a()} % {self.r.randint(2, 5)})",
            lambda: f"({a()} / {self.r.randint(2, 4)})",
            lambda: f"ABS({a()})",
            lambda: f"COALESCE({a()}, {b()})",
            lambda: f"NULLIF({a()}, {b()})",
            lambda: f"CASE WHEN {self.boolean(s, depth - 1)} THEN {a()} ELSE {b()} END",
            lambda: f"CASE WHEN {self.boolean(s, depth - 1)} THEN {a()} END",
            lambda: f"CHAR_LENGTH({self.string(s, depth - 1)})",
        ]
        return self.r.choice(makers)()

    def string(self, s, depth=2):
        own = s.of(STR)
        if depth == 0 or self.chance(0.5):
            return self.r.choice(own) if own and self.chance(0.8) else self.r.choice(["'pen'", "'A'", "'two'", "'Oslo'", "''"])
        a = lambda: self.string(s, depth - 1)  # noqa: E731
        makers = [
            lambda: f"({a()} || {a()})",
            lambda: f"UPPER({a()})",
            lambda: f"SUBSTRING({a()}, {self.r.randint(1, 3)}, {self.r.randint(0, 3)})",
            lambda: f"COALESCE({a()}, {a()})",
            lambda: f"CAST({self.integer(s, depth - 1)} AS STRING)",
            lambda: f"CASE WHEN {self.boolean(s, depth - 1)} THEN {a()} ELSE {a()} END",
        ]
        return self.r.choice(makers)()

    def boolean(self, s, depth=2):
        a, b = (lambda: self.integer(s, depth - 1 if depth else 0)), (lambda: self.string(s, depth - 1 if depth else 0))
        op = self.r.choice(["=", "<>", "<", "<=", ">", ">="])
        makers = [
            lambda: f"{a()} {op} {a()}",
            lambda: f"{a()} {op} {a()}",
            lambda: f"{b()} {op} {b()}",
            lambda: f"{a()} IS NULL",
            lambda: f"{b()} IS NOT NULL",
            lambda: f"{a()} BETWEEN {a()} AND {a()}",
            lambda: f"{a()} IN ({a()}, {a()}, {self.r.randint(0, 30)})",
            lambda: f"{a()} NOT IN ({a()}, {self.r.randint(0, 30)})",
            lambda: f"{b()} LIKE '{self.r.choice(['%a%', 'p__', '_o%', '%', 'S%s'])}'",
            lambda: f"{a()} IS {self.r.choice(['', 'NOT '])}DISTINCT FROM {a()}",
        ]
        if depth > 0:
            more = lambda: self.boolean(s, depth - 1)  # noqa: E731
            makers += [
                lambda: f"({more()} AND {more()})",
                lambda: f"({more()} OR {more()})",
                lambda: f"(NOT {more()})",
                lambda: f"({more()}) IS {self.r.choice(['TRUE', 'NOT TRUE', 'FALSE', 'NOT FALSE', 'UNKNOWN'])}",
            ] * 2
        return self.r.choice(makers)()

    def value(self, s, kind, depth=2):
        return {INT: self.integer, STR: self.string, BOOL: self.boolean}[kind](s, depth)

    # ---- relations ----

    def table(self, depth):
        """(text, [(column, kind)])"""
        t = self.alias()
        if depth > 0 and self.chance(0.3):
            text, kinds = self.query(depth - 1)
            return f"({text}) AS {t}", [(f"{t}.c{i}", k) for i, k in enumerate(kinds)]
        name = self.r.choice(["emp", "dept", "sale", "a", "b", "a", "b", "e"] if self.chance(0.2) else ["emp", "dept", "sale", "a", "b"])
        columns = [(f"{t}.{c}", KINDS[k]) for c, k in tables.TABLES[name][0] if k in KINDS]
        return f"{name} AS {t}", columns

    def relation(self, depth, outer=()):
        text, columns = self.table(depth)
        for _ in range(self.r.choice([0, 0, 1, 1, 2])):
            other, more = self.table(depth)
            kind = self.r.choice(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "JOIN", "LEFT JOIN"])
            left, right = [t for t, k in columns if k == INT], [t for t, k in more if k == INT]
            if not left or not right:
                text, columns = f"{text} CROSS JOIN {other}", columns + more
                continue
            cond = f"{self.r.choice(left)} = {self.r.choice(right)}"
            if kind != "FULL JOIN" and self.chance(0.15):
                cond = self.boolean(Scope(columns + more), 1)
            elif self.chance(0.35):
                cond += f" AND {self.boolean(Scope(columns + more), 1)}"
            text, columns = f"{text} {kind} {other} ON {cond}", columns + more
        return text, columns

    def subquery_condition(self, s, depth):
        outer = s.columns
        text, columns = self.table(0)
        inner = Scope(columns)
        ints = inner.of(INT)
        mine = s.of(INT)
        if not ints or not mine:
            return self.boolean(s)
        link = f"{self.r.choice(ints)} = {self.r.choice(mine)}"
        own = self.boolean(inner, 1)
        not_ = self.r.choice(["", "NOT "])
        makers = [
            lambda: f"{not_}EXISTS (SELECT 1 FROM {text} WHERE {link})",
            lambda: f"{not_}EXISTS (SELECT 1 FROM {text} WHERE {link} AND {self.boolean(Scope(columns, outer), 1)})",
            lambda: f"{self.r.choice(mine)} {not_}IN (SELECT {self.r.choice(ints)} FROM {text} WHERE {own})",
            lambda: f"{self.integer(s, 1)} {not_}IN (SELECT {self.r.choice(ints)} FROM {text} WHERE {link})",
            lambda: f"{self.integer(s, 1)} > (SELECT {self.r.choice(['MAX', 'MIN', 'COUNT'])}({self.r.choice(ints)}) FROM {text} WHERE {link})",
            lambda: f"{self.integer(s, 1)} <= (SELECT {self.r.choice(['MAX', 'MIN', 'COUNT'])}({self.r.choice(ints)}) FROM {text} WHERE {own})",
            lambda: f"{self.r.choice(mine)} {self.r.choice(['<', '>', '='])} {self.r.choice(['SOME', 'ALL'])} (SELECT {self.r.choice(ints)} FROM {text} WHERE {own})",
        ]
        text = self.r.choice(makers)()
        return text

    def aggregate(self, s):
        x = self.integer(s, 1)
        call = self.r.choice(
            ["COUNT(*)", f"COUNT({x})", f"SUM({x})", f"MIN({x})", f"MAX({x})", f"COUNT(DISTINCT {x})", f"SUM(DISTINCT {x})", f"AVG({x})"]
        )
        if self.chance(0.2):
            call += f" FILTER (WHERE {self.boolean(s, 1)})"
        return call

    def window(self, s):
        x = self.integer(s, 1)
        every = ", ".join(t for t, _ in s.columns)
        part = f"PARTITION BY {self.integer(s, 1)} " if self.chance(0.6) else ""
        order = f"ORDER BY {self.integer(s, 1)}{self.r.choice(['', ' DESC', ' NULLS LAST'])}"
        call = self.r.choice(["COUNT(*)", f"SUM({x})", f"MIN({x})", f"MAX({x})", "RANK()", "DENSE_RANK()"])
        if call.endswith("K()"):
            return f"{call} OVER ({part}{order})"
        frame = self.r.choice(["", "", " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING", " ROWS UNBOUNDED PRECEDING", " RANGE BETWEEN 2 PRECEDING AND 1 FOLLOWING"])
        if "ROWS" in frame:
            order += f", {every}"
        return f"{call} OVER ({part}{order}{frame})"

    # ---- queries ----

    def select(self, depth, kinds=None):
        """(text, kinds of its columns c0, c1 ..)"""
        text, columns = self.relation(depth)
        s = Scope(columns)
        where = []
        if self.chance(0.5):
            where.append(self.boolean(s))
        if depth > 0 and self.chance(0.35):
            where.append(self.subquery_condition(s, depth))
        n = self.r.randint(1, 3)
        kinds = kinds or [self.r.choice([INT, INT, STR, BOOL]) for _ in range(n)]
        tail = f" WHERE {' AND '.join(where)}" if where else ""
        if INT in kinds and self.chance(0.4):
            keys = [self.value(s, k, 1) for k in kinds[:-1]] if kinds[-1] == INT else None
            if keys is not None:
                keys = [k if any(t in k for t, _ in columns) else self.r.choice([t for t, _ in columns]) for k in keys]
                kinds = [dict(columns).get(k, kind) for k, kind in zip(keys, kinds)] + [INT]
                call = self.aggregate(s)
                if keys:
                    how = self.r.choice(["{}", "{}", "{}", "ROLLUP ({})", "CUBE ({})"]).format(", ".join(keys))
                    tail += f" GROUP BY {how}"
                if self.chance(0.3):
                    tail += f" HAVING {self.r.choice(['COUNT(*) > 1', f'{call} IS NOT NULL', f'{call} > 2'])}"
                items = [*keys, call]
                return f"SELECT {self.named(items)} FROM {text}{tail}", kinds
        items = [self.value(s, k) for k in kinds]
        if kinds[-1] == INT and self.chance(0.3):
            items[-1] = self.window(s)
        distinct = "DISTINCT " if self.chance(0.15) else ""
        return f"SELECT {distinct}{self.named(items)} FROM {text}{tail}", kinds

    @staticmethod
    def named(items):
        return ", ".join(f"{e} AS c{i}" for i, e in enumerate(items))

    def query(self, depth):
        text, kinds = self.select(depth)
        if self.chance(0.15):
            op = self.r.choice(["UNION", "UNION ALL", "INTERSECT", "EXCEPT", "EXCEPT ALL", "INTERSECT ALL"])
            if len(kinds) <= 3:
                other, more = self.select(depth, list(kinds))
                if more == kinds:
                    text = f"{text} {op} {other}"
        if self.chance(0.2) and depth < 2:
            order = ", ".join(f"c{i}{self.r.choice(['', ' DESC', ' NULLS LAST', ' DESC NULLS FIRST'])}" for i in range(len(kinds)))
            text = f"SELECT {', '.join(f'c{i}' for i in range(len(kinds)))} FROM ({text}) AS {self.alias()} ORDER BY {order}"
            text += self.r.choice(["", f" LIMIT {self.r.randint(1, 8)}", f" OFFSET {self.r.randint(1, 4)} ROWS FETCH NEXT {self.r.randint(1, 6)} ROWS ONLY"])
        return text, kinds


def queries(first, n):
    for seed in range(first, first + n):
        yield Maker(seed).query(1 + seed % 2)[0]
