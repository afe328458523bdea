namespace Crosscore.Code;

/// <summary>
/// All segments that are installed in this process, in the order of their addresses, and the sinks that are told of
/// each that comes and goes.
/// </summary>
internal static class CodeRegistry
{
    private static readonly Lock Changing = new();
    private static readonly SortedList<nint, CodeSegment> Segments = [];
    private static readonly List<INameSink> Sinks = [];
    private static INameSink[] s_writing = []; // Replaced, never changed: read under the lock, used outside it.

    /// <summary>
    /// Enters a segment, and tells all sinks. One that throws leaves nothing behind, neither here nor at the sinks
    /// before it.
    /// </summary>
    public static void Add(CodeSegment segment)
    {
        CodeEvents.Publish();
        INameSink[] toWrite;
        lock (Changing)
        {
            Segments.Add(segment.Address, segment);
            toWrite = s_writing;
            int told = 0;
            try
            {
                for (; told < Sinks.Count; told++)
                {
                    Sinks[told].Added(segment);
                }
            }
            catch
            {
                _ = Segments.Remove(segment.Address);
                while (told > 0)
                {
                    Sinks[--told].Removed(segment);
                }

                throw;
            }
        }

        foreach (INameSink sink in toWrite)
        {
            sink.Write(segment);
        }
    }

    public static void Remove(CodeSegment segment)
    {
        lock (Changing)
        {
            _ = Segments.Remove(segment.Address);
            foreach (INameSink sink in Sinks)
            {
                sink.Removed(segment);
            }
        }

        segment.Leave();
    }

    /// <summary>Tells the sinks that write that other pages lie at a segment's addresses.</summary>
    public static void Remapped(CodeSegment segment)
    {
        INameSink[] toWrite;
        lock (Changing)
        {
            toWrite = s_writing;
        }

        foreach (INameSink sink in toWrite)
        {
            sink.Remapped(segment);
        }
    }

    /// <summary>
    /// Tells a sink of everything that is installed, and from now on of every change. A sink that throws is not
    /// attached, and is told that the segments it heard of are gone.
    /// </summary>
    public static void Attach(INameSink sink)
    {
        CodeSegment[] there;
        lock (Changing)
        {
            there = [.. Segments.Values];
            int told = 0;
            try
            {
                for (; told < Segments.Count; told++)
                {
                    sink.Added(Segments.GetValueAtIndex(told));
                }

                INameSink[] writing = sink.Writes ? [.. s_writing, sink] : s_writing;
                Sinks.Add(sink);
                s_writing = writing;
            }
            catch
            {
                while (told > 0)
                {
                    sink.Removed(Segments.GetValueAtIndex(--told));
                }

                throw;
            }
        }

        if (sink.Writes)
        {
            foreach (CodeSegment segment in there)
            {
                sink.Write(segment);
            }
        }
    }

    public static CodeSegment? Find(nint address)
    {
        lock (Changing)
        {
            int low = 0;
            int high = Segments.Count;
            while (low < high)
            {
                int middle = (low + high) / 2;
                (low, high) = Segments.GetKeyAtIndex(middle) <= address ? (middle + 1, high) : (low, middle);
            }

            return
                low > 0
                && Segments.GetValueAtIndex(low - 1) is var segment
                && address - segment.Address < segment.Length
                ? segment
                : null;
        }
    }
}

/// <summary>Publishes names of code: to a file, or to a debugger.</summary>
internal interface INameSink
{
    /// <summary>Knows the segment from now on, or throws and does not.</summary>
    void Added(CodeSegment segment);

    /// <summary>Knows it no longer. Throws nothing.</summary>
    void Removed(CodeSegment segment);

    /// <summary>Whether <see cref="Write"/> must be called.</summary>
    bool Writes => false;

    /// <summary>
    /// Tells the outside a segment that was added. Called without any lock, after <see cref="Added"/> and by several
    /// threads at once, because a file may keep its writer waiting. Throws nothing.
    /// </summary>
    void Write(CodeSegment segment) { }

    /// <summary>
    /// Tells the outside that other pages lie at the addresses of a segment that was written. As <see cref="Write"/>.
    /// </summary>
    void Remapped(CodeSegment segment) { }
}
