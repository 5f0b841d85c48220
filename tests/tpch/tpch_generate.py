#!/usr/bin/env python3
"""Tables of the shape of TPC-H, as files that a table with 'csv.field-delimiter' = '|' reads.

usage: tests/tpch/tpch_generate.py DIR [--scale 0.01] [--seed 1]

Ours, not dbgen: the same tables, columns, keys, ranges and words that the queries look for, from a seed; texts are shorter.
"""

import argparse
import datetime
import os
import random

START, END = datetime.date(1992, 1, 1), datetime.date(1998, 8, 2)
CURRENT = datetime.date(1995, 6, 17)
REGIONS = ["AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"]
NATIONS = [
    ("ALGERIA", 0), ("ARGENTINA", 1), ("BRAZIL", 1), ("CANADA", 1), ("EGYPT", 4), ("ETHIOPIA", 0), ("FRANCE", 3), ("GERMANY", 3),
    ("INDIA", 2), ("INDONESIA", 2), ("IRAN", 4), ("IRAQ", 4), ("JAPAN", 2), ("JORDAN", 4), ("KENYA", 0), ("MOROCCO", 0),
    ("MOZAMBIQUE", 0), ("PERU", 1), ("CHINA", 2), ("ROMANIA", 3), ("SAUDI ARABIA", 4), ("VIETNAM", 2), ("RUSSIA", 3),
    ("UNITED KINGDOM", 3), ("UNITED STATES", 1),
]  # fmt: skip
COLORS = (
    "almond antique aquamarine azure beige bisque black blanched blue blush brown burlywood chartreuse chocolate coral cornsilk cream "
    "cyan dark deep dim dodger drab firebrick floral forest frosted gainsboro ghost goldenrod green grey honeydew hot indian ivory khaki "
    "lace lavender lawn lemon light lime linen magenta maroon medium midnight mint misty navy olive orange orchid pale papaya peach "
    "peru pink plum powder puff purple red rose rosy royal saddle salmon sandy seashell sienna sky slate smoke snow spring steel tan "
    "thistle tomato turquoise violet wheat white yellow"
).split()
TYPES = (
    ["STANDARD", "SMALL", "MEDIUM", "LARGE", "ECONOMY", "PROMO"],
    ["ANODIZED", "BURNISHED", "PLATED", "POLISHED", "BRUSHED"],
    ["TIN", "NICKEL", "BRASS", "STEEL", "COPPER"],
)
CONTAINERS = (["SM", "MED", "LG", "JUMBO", "WRAP"], ["CASE", "BOX", "BAG", "JAR", "PKG", "PACK", "CAN", "DRUM"])
SEGMENTS = ["AUTOMOBILE", "BUILDING", "FURNITURE", "HOUSEHOLD", "MACHINERY"]
PRIORITIES = ["1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW"]
MODES = ["REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB"]
INSTRUCTIONS = ["DELIVER IN PERSON", "COLLECT COD", "NONE", "TAKE BACK RETURN"]
WORDS = "foxes ideas theodolites pinto beans packages deposits accounts platelets requests pending final express ironic bold even silent".split()


def money(cents):
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


class Generator:
    def __init__(self, scale, seed):
        self.random = random.Random(seed)
        self.suppliers = max(10, int(10_000 * scale))
        self.customers = max(30, int(150_000 * scale))
        self.parts = max(40, int(200_000 * scale))
        self.orders = self.customers * 10

    def text(self, least, most, planted=None, one_in=0):
        words = [self.random.choice(WORDS) for _ in range(self.random.randint(least, most))]
        if one_in and self.random.randrange(one_in) == 0:
            first, second = planted
            at = self.random.randint(0, len(words))
            words[at:at] = [first] + ([self.random.choice(WORDS)] if self.random.random() < 0.5 else []) + [second]
        return " ".join(words)

    def phone(self, nation):
        r = self.random
        return f"{10 + nation}-{r.randint(100, 999)}-{r.randint(100, 999)}-{r.randint(1000, 9999)}"

    @staticmethod
    def retail_cents(part):
        return 90_000 + (part // 10) % 20_001 + 100 * (part % 1_000)

    def supplier_of(self, part, i):
        """The i-th of the four suppliers that have a part."""
        s = self.suppliers
        return (part + i * (s // 4 + (part - 1) // s)) % s + 1

    def region(self):
        for i, name in enumerate(REGIONS):
            yield i, name, self.text(3, 8)

    def nation(self):
        for i, (name, region) in enumerate(NATIONS):
            yield i, name, region, self.text(3, 8)

    def supplier(self):
        r = self.random
        for i in range(1, self.suppliers + 1):
            nation = r.randrange(25)
            yield (i, f"Supplier#{i:09d}", self.text(1, 3), nation, self.phone(nation), money(r.randint(-99_999, 999_999)),
                   self.text(3, 8, ("Customer", "Complaints"), 20))  # fmt: skip

    def customer(self):
        r = self.random
        for i in range(1, self.customers + 1):
            nation = r.randrange(25)
            yield (i, f"Customer#{i:09d}", self.text(1, 3), nation, self.phone(nation), money(r.randint(-99_999, 999_999)),
                   r.choice(SEGMENTS), self.text(4, 10))  # fmt: skip

    def part(self):
        r = self.random
        for i in range(1, self.parts + 1):
            maker = r.randint(1, 5)
            yield (i, " ".join(r.sample(COLORS, 5)), f"Manufacturer#{maker}", f"Brand#{maker}{r.randint(1, 5)}",
                   " ".join(r.choice(words) for words in TYPES), r.randint(1, 50), " ".join(r.choice(words) for words in CONTAINERS),
                   money(self.retail_cents(i)), self.text(1, 3))  # fmt: skip

    def partsupp(self):
        r = self.random
        for part in range(1, self.parts + 1):
            for i in range(4):
                yield part, self.supplier_of(part, i), r.randint(1, 9_999), money(r.randint(100, 100_000)), self.text(3, 8)

    def lines(self, order, ordered):
        r = self.random
        for number in range(1, r.randint(1, 7) + 1):
            part = r.randint(1, self.parts)
            quantity = r.randint(1, 50)
            shipped = ordered + datetime.timedelta(r.randint(1, 121))
            received = shipped + datetime.timedelta(r.randint(1, 30))
            returned = r.choice("RA") if received <= CURRENT else "N"
            yield (order, part, self.supplier_of(part, r.randrange(4)), number, money(quantity * 100),
                   money(quantity * self.retail_cents(part)), money(r.randint(0, 10)), money(r.randint(0, 8)), returned,
                   "O" if shipped > CURRENT else "F", shipped, ordered + datetime.timedelta(r.randint(30, 90)), received,
                   r.choice(INSTRUCTIONS), r.choice(MODES), self.text(1, 4))  # fmt: skip

    def orders_and_lines(self):
        r = self.random
        days = (END - START).days - 151
        for i in range(1, self.orders + 1):
            key = (i - 1) // 8 * 32 + (i - 1) % 8 + 1  # sparse, as in TPC-H
            customer = r.randint(1, self.customers)
            customer -= customer % 3 == 0  # a third has no orders
            ordered = START + datetime.timedelta(r.randint(0, days))
            lines = list(self.lines(key, ordered))
            states = {line[9] for line in lines}
            cents = sum(round(float(x[5]) * 100 * (1 + float(x[7])) * (1 - float(x[6]))) for x in lines)
            yield (key, customer, states.pop() if len(states) == 1 else "P", money(cents), ordered, r.choice(PRIORITIES),
                   f"Clerk#{r.randint(1, 1000):09d}", 0, self.text(3, 8, ("special", "requests"), 60)), lines  # fmt: skip


def write(file, row):
    file.write("|".join(map(str, row)) + "\n")


def generate(folder, scale=0.01, seed=1):
    """Writes a file for each table into a folder of its name."""
    g = Generator(scale, seed)

    def opened(table):
        os.makedirs(os.path.join(folder, table), exist_ok=True)
        return open(os.path.join(folder, table, table + ".csv"), "w", encoding="utf-8")

    for table in ("region", "nation", "supplier", "customer", "part", "partsupp"):
        with opened(table) as file:
            for row in getattr(g, table)():
                write(file, row)
    with opened("orders") as orders, opened("lineitem") as items:
        for order, lines in g.orders_and_lines():
            write(orders, order)
            for line in lines:
                write(items, line)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--scale", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    generate(args.folder, args.scale, args.seed)


if __name__ == "__main__":
    main()
