-- Text to lexemes, and how well they satisfy a query.
SELECT to_tsvector('simple', 'The quick foxes, 2 of them, jumped (don''t ask)');
SELECT to_tsvector('english', 'The quick foxes, 2 of them, jumped (don''t ask)');
SELECT to_tsvector('english', 'Generalizations relational conditional RATIONAL éclairs b2b');
SELECT to_tsvector('english', 'jumping foxes') @@ 'jump & fox', to_tsvector('simple', '') = '';
SELECT ts_rank(to_tsvector('simple', 'a b c a b'), 'a & c', 1), ts_rank(to_tsvector('simple', 'a b c a b'), 'a | x', 2);
SELECT ts_rank('{0.5, 0.6, 0.7, 0.8}', 'a:1A b:2 c:3C', 'a & (b | c)', n), n FROM generate_series(0, 63, 9) n;
SELECT ts_rank_cd('{0.5, 0.6, 0.7, 0.8}', 'a:1A,7 b:2,9,30B c:3C', 'a & (b | c)', n), n FROM generate_series(0, 63, 9) n;
SELECT ts_rank_cd('a:1,5,9 b:2,7', 'a <-> b'), ts_rank_cd('a:1,5,9 b:2,7', 'a & !b'), ts_rank_cd('a b', 'a & b');
SELECT ts_rank('{0.5, 0.6}', 'a', 'a');
SELECT ts_rank('{0.5, 0.6, NULL, 1}', 'a', 'a');
SELECT ts_rank('{0.5, 0.6, 2, 1}', 'a', 'a');
SELECT ts_rank('{{0.5, 0.6, 2, 1}}', 'a', 'a');
-- Other encodings and normal forms.
SELECT convert_from('\xb0fac7d0', 'EUC_KR'), convert_to('과학', 'euckr'), convert_from('\xe9', 'latin1');
SELECT convert_from('\xb0', 'EUC_KR');
SELECT convert_to(U&'\20AC', 'LATIN1');
SELECT normalize(U&'a\0308', NFC) = U&'\00E4', U&'a\0308' IS NFC NORMALIZED, U&'a\0308' IS NOT NFD NORMALIZED;
SELECT normalize('a', 'x');
