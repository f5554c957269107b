//! Encoding Arrow for loads: CSV with `\x01`/`\x02`, and JSON for rows that plain CSV cannot carry.
