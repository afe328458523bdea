namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>The accesses of an execution, numbered; those of the initial state are not among them.</summary>
internal sealed class EventTable
{
    private readonly Access[] _accesses;
    private readonly Dictionary<AccessId, int> _index = [];
    private readonly AccessId?[]?[] _sources;

    public EventTable(Execution execution)
    {
        _accesses = [.. execution.Paths.SelectMany(path => path.Steps).SelectMany(step => step.Accesses)];
        if (_accesses.Length > 64)
        {
            throw new OracleRefusal("it makes more than 64 accesses");
        }

        for (int index = 0; index < _accesses.Length; index++)
        {
            _index.Add(_accesses[index].Id, index);
        }

        _sources = [.. _accesses.Select(access => access.IsWrite ? null : execution.Choices.Sources[access.Id])];
    }

    public int Count => _accesses.Length;

    public Access this[int index] => _accesses[index];

    public int IndexOf(AccessId id) => _index[id];

    /// <summary>The write that a read has a byte from, or -1 for the initial one.</summary>
    public int SourceOf(int read, ulong address)
    {
        AccessId source = _sources[read]![(int)(address - _accesses[read].Address!.Value)]!.Value;
        return source.IsInitial ? -1 : _index[source];
    }

    public bool SameThread(int left, int right) => _accesses[left].Id.Thread == _accesses[right].Id.Thread;

    public bool SameStep(int left, int right) =>
        SameThread(left, right) && _accesses[left].Id.Step == _accesses[right].Id.Step;

    /// <summary>Program order, which is between instructions.</summary>
    public bool Before(int left, int right) =>
        SameThread(left, right) && _accesses[left].Id.Step < _accesses[right].Id.Step;

    public bool Overlap(int left, int right) =>
        _accesses[left].Address < _accesses[right].Address + (ulong)_accesses[right].Size
        && _accesses[right].Address < _accesses[left].Address + (ulong)_accesses[left].Size;

    /// <summary>The addresses of an access's bytes.</summary>
    public IEnumerable<ulong> Bytes(int index) =>
        Enumerable.Range(0, _accesses[index].Size).Select(offset => _accesses[index].Address!.Value + (ulong)offset);

    /// <summary>
    /// The newest earlier writes of a read's own thread to its bytes, whether it reads from them or not.
    /// </summary>
    public IEnumerable<int> LocalSources(int read)
    {
        var found = new HashSet<int>();
        foreach (ulong place in Bytes(read))
        {
            int newest = -1;
            for (int write = 0; write < Count; write++)
            {
                if (
                    _accesses[write].IsWrite
                    && Before(write, read)
                    && _accesses[write].Covers(place)
                    && (newest < 0 || Before(newest, write))
                )
                {
                    newest = write;
                }
            }

            if (newest >= 0)
            {
                found.Add(newest);
            }
        }

        return found;
    }
}
