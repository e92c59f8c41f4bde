-- Calculations, with the answers and the errors that the evaluator has.

-- Whether text is JSON.
CREATE OR REPLACE FUNCTION {schema}.plasma_is_json(value text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT AS $plasma$
BEGIN
  RETURN value::json IS NOT NULL;
EXCEPTION WHEN data_exception THEN
  RETURN FALSE;
END $plasma$;

-- The very number a float is: a whole number times a power of two, or of five and ten. The server's own cast rounds.
CREATE OR REPLACE FUNCTION {schema}.plasma_exact(x double precision) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $plasma$
DECLARE
  bits bigint;
  exponent integer;
  mantissa numeric;
BEGIN
  IF x = trunc(x) AND abs(x) < 4503599627370496 THEN
    RETURN x::bigint;
  END IF;
  bits := ('x' || encode(float8send(x), 'hex'))::bit(64)::bigint;
  exponent := ((bits >> 52) & 2047)::integer;
  mantissa := bits & 4503599627370495;
  IF exponent = 0 THEN
    exponent := 1;
  ELSE
    mantissa := mantissa + 4503599627370496;
  END IF;
  exponent := exponent - 1075;
  IF bits < 0 THEN
    mantissa := -mantissa;
  END IF;
  IF exponent >= 0 THEN
    RETURN mantissa * power(2::numeric, exponent);
  END IF;
  RETURN mantissa * trunc(power(5::numeric, -exponent)) * ('1e' || exponent)::numeric;
END $plasma$;

-- The float nearest to a number. What is nearest to zero is zero, not an error.
CREATE OR REPLACE FUNCTION {schema}.plasma_float(n numeric) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $plasma$
  SELECT CASE
    WHEN abs(n) < 1e-320 AND abs(n) * power(2::numeric, 1075) <= 1 THEN 0::double precision
    ELSE n::double precision
  END
$plasma$;

-- The float nearest to a quotient: as many digits as decide, and one more that says whether there is a rest.
CREATE OR REPLACE FUNCTION {schema}.plasma_ratio(dividend numeric, divisor numeric) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $plasma$
DECLARE
  digits integer := CASE WHEN abs(dividend) >= abs(divisor) THEN 60 ELSE 1140 END;
  whole numeric := abs(dividend) * ('1e' || digits)::numeric;
  quotient numeric := div(whole, abs(divisor));
BEGIN
  quotient := quotient * 10 + CASE WHEN quotient * abs(divisor) = whole THEN 0 ELSE 1 END;
  RETURN {schema}.plasma_float(quotient * ('1e-' || digits + 1)::numeric * sign(dividend) * sign(divisor));
END $plasma$;

-- The server takes a product that is too small to be a float for an error.
CREATE OR REPLACE FUNCTION {schema}.plasma_mul_float(a double precision, b double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $plasma$
  SELECT CASE
    WHEN abs(a) >= 1e-150 AND abs(b) >= 1e-150 THEN a * b
    WHEN a IS NULL OR b IS NULL THEN NULL
    WHEN a = 0 OR b = 0 THEN 0
    ELSE {schema}.plasma_float({schema}.plasma_exact(a) * {schema}.plasma_exact(b))
  END
$plasma$;

CREATE OR REPLACE FUNCTION {schema}.plasma_div_float(a double precision, b double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $plasma$
  SELECT CASE
    WHEN abs(a) >= 1e-150 AND abs(b) <= 1e150 THEN a / b
    WHEN a IS NULL OR b IS NULL THEN NULL
    WHEN b = 0 THEN a / b
    WHEN a = 0 THEN 0
    ELSE {schema}.plasma_ratio({schema}.plasma_exact(a), {schema}.plasma_exact(b))
  END
$plasma$;

-- The date of a time in microseconds since the epoch, where clocks are so many minutes ahead of UTC.
CREATE OR REPLACE FUNCTION {schema}.plasma_date(micros bigint, minutes bigint) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $plasma$
DECLARE
  local_time numeric := micros::numeric + minutes::numeric * 60000000;
BEGIN
  IF minutes NOT BETWEEN -2147483648 AND 2147483647
     OR local_time NOT BETWEEN -62135596800000000 AND 253402300799999999 THEN
    RAISE EXCEPTION 'the time % is on no date of the years 1 to 9999, % minutes from UTC', micros, minutes
      USING ERRCODE = 'numeric_value_out_of_range';
  END IF;
  RETURN to_char(date '0001-01-01' + div(local_time + 62135596800000000, 86400000000)::integer, 'YYYY-MM-DD');
END $plasma$;

-- The values of counters, from the JSON of their states; the largest number when it is more.
CREATE OR REPLACE FUNCTION {schema}.plasma_g_counter(state text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $plasma$
  SELECT least(coalesce(sum(slot.value::numeric), 0), 9223372036854775807)::bigint
    FROM json_each_text(state::json) AS slot
$plasma$;
CREATE OR REPLACE FUNCTION {schema}.plasma_pn_counter(state text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $plasma$
  SELECT {schema}.plasma_g_counter(state::json ->> 'p') - {schema}.plasma_g_counter(state::json ->> 'n')
$plasma$;

CREATE OR REPLACE FUNCTION {schema}.plasma_long_pattern(value text) RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT AS $plasma$
BEGIN
  RAISE EXCEPTION 'the `like` pattern is longer than 50,000 bytes' USING ERRCODE = 'program_limit_exceeded';
END $plasma$;

-- The server has no `min` and `max` of bytes.
CREATE OR REPLACE FUNCTION {schema}.plasma_least(a bytea, b bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $plasma$ SELECT least(a, b) $plasma$;
CREATE OR REPLACE FUNCTION {schema}.plasma_greatest(a bytea, b bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $plasma$ SELECT greatest(a, b) $plasma$;
CREATE OR REPLACE AGGREGATE {schema}.plasma_min(bytea)
  (SFUNC = {schema}.plasma_least, STYPE = bytea, COMBINEFUNC = {schema}.plasma_least, PARALLEL = SAFE);
CREATE OR REPLACE AGGREGATE {schema}.plasma_max(bytea)
  (SFUNC = {schema}.plasma_greatest, STYPE = bytea, COMBINEFUNC = {schema}.plasma_greatest, PARALLEL = SAFE);
