namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>
/// One order of the writes to a location, with what follows from it. Where accesses of several widths overlap, a
/// location is all that hangs together.
/// </summary>
internal sealed class Coherence
{
    private readonly List<int> _order;

    private Coherence(List<int> order, Relation external)
    {
        _order = order;
        External = external;
    }

    /// <summary>rf, co and fr between threads.</summary>
    public Relation External { get; }

    /// <summary>The orders that the axioms about a single location leave.</summary>
    public static List<Coherence> Orders(
        EventTable events,
        List<int> location,
        (int Read, int Write)[] atomics,
        Clauses clauses
    )
    {
        var found = new List<Coherence>();
        Extend(
            events,
            [.. location.Where(index => events[index].IsWrite)],
            [],
            (clauses & Clauses.Internal) != 0,
            order =>
            {
                if (Make(events, location, order, atomics, clauses) is Coherence coherence)
                {
                    found.Add(coherence);
                }
            }
        );
        return found;
    }

    /// <summary>The last write to a byte, or -1 when it keeps its initial value.</summary>
    public int LastWriteTo(EventTable events, ulong address) =>
        _order.FindLast(write => events[write].Covers(address)) is int last
        && _order.Exists(write => events[write].Covers(address))
            ? last
            : -1;

    private static void Extend(
        EventTable events,
        List<int> rest,
        List<int> order,
        bool inProgramOrder,
        Action<List<int>> found
    )
    {
        if (rest.Count == 0)
        {
            found([.. order]);
            return;
        }

        for (int at = 0; at < rest.Count; at++)
        {
            int write = rest[at];

            // Own writes out of program order would contradict internal visibility; there is no need to make them
            // first.
            if (inProgramOrder && rest.Exists(other => events.Before(other, write) && events.Overlap(other, write)))
            {
                continue;
            }

            rest.RemoveAt(at);
            order.Add(write);
            Extend(events, rest, order, inProgramOrder, found);
            order.RemoveAt(order.Count - 1);
            rest.Insert(at, write);
        }
    }

    private static Coherence? Make(
        EventTable events,
        List<int> location,
        List<int> order,
        (int Read, int Write)[] atomics,
        Clauses clauses
    )
    {
        var external = new Relation(events.Count);
        var fromRead = new Relation(events.Count);
        var coherent = new Relation(events.Count);
        foreach (ulong place in location.SelectMany(events.Bytes).Distinct())
        {
            var inside = new Relation(events.Count);
            void Add(int from, int to)
            {
                inside.Add(from, to);
                if (!events.SameThread(from, to))
                {
                    external.Add(from, to);
                }
            }

            List<int> writes = order.FindAll(write => events[write].Covers(place));
            List<int> all = location.FindAll(index => events[index].Covers(place));
            for (int first = 0; first < writes.Count; first++)
            {
                for (int second = first + 1; second < writes.Count; second++)
                {
                    Add(writes[first], writes[second]);
                    coherent.Add(writes[first], writes[second]);
                }
            }

            foreach (int read in all.Where(index => !events[index].IsWrite))
            {
                int source = events.SourceOf(read, place);
                if (source >= 0)
                {
                    Add(source, read);
                }

                foreach (int after in writes.Skip(source < 0 ? 0 : writes.IndexOf(source) + 1))
                {
                    // The read of an atomic comes before its own write, not after a write that it precedes.
                    Add(read, after);
                    fromRead.Add(read, after);
                }
            }

            // The read and the write of one atomic count as in program order: a read cannot take its value from the
            // write of the same atomic, or from one after it.
            foreach (int left in all)
            {
                foreach (
                    int right in all.Where(right =>
                        events.Before(left, right)
                        || (events.SameStep(left, right) && !events[left].IsWrite && events[right].IsWrite)
                    )
                )
                {
                    inside.Add(left, right);
                }
            }

            if ((clauses & Clauses.Internal) != 0 && !inside.IsAcyclic())
            {
                return null;
            }
        }

        bool Splits((int Read, int Write) atomic) =>
            order.Exists(write =>
                !events.SameThread(write, atomic.Read)
                && fromRead.Has(atomic.Read, write)
                && coherent.Has(write, atomic.Write)
            );
        return
            (clauses & Clauses.Atomicity) != 0
            && Array.Exists(atomics, atomic => location.Contains(atomic.Write) && Splits(atomic))
            ? null
            : new Coherence(order, external);
    }
}
