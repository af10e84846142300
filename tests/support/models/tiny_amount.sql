select id, happened_at, known_at, amount, signal, noise, price, kind
from tiny
where happened_at >= :window_start and happened_at < :window_end and known_at <= :as_of
