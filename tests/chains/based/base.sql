CREATE TYPE tier AS ENUM ('free', 'paid');
CREATE TABLE customers (id integer PRIMARY KEY, name text NOT NULL, tier tier, legacy text);
CREATE INDEX ix_customers_name ON customers (name);
CREATE TABLE untouched (id integer PRIMARY KEY, note text);
