namespace Crosscore.Code;

/// <summary>All segments that are installed in this process, in the order of their addresses, and those who are told of each that comes and goes.</summary>
internal static class CodeRegistry
{
    private static readonly Lock Changing = new();
    private static readonly SortedList<nint, CodeSegment> Segments = [];
    private static readonly List<INameSink> Sinks = [];

    static CodeRegistry() => CodeEvents.Publish();

    public static void Add(CodeSegment segment)
    {
        lock (Changing)
        {
            Segments.Add(segment.Address, segment);
            foreach (INameSink sink in Sinks)
            {
                sink.Added(segment);
            }
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
    }

    /// <summary>Tells a sink of everything that is installed, and from now on of every change.</summary>
    public static void Attach(INameSink sink)
    {
        lock (Changing)
        {
            foreach (CodeSegment segment in Segments.Values)
            {
                sink.Added(segment);
            }

            Sinks.Add(sink);
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

            return low > 0 && Segments.GetValueAtIndex(low - 1) is var segment && address - segment.Address < segment.Length ? segment : null;
        }
    }
}

/// <summary>Somebody who names code to others.</summary>
internal interface INameSink
{
    void Added(CodeSegment segment);

    void Removed(CodeSegment segment);
}
