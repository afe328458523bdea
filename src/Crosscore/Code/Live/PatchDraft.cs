using System.Runtime.InteropServices;

namespace Crosscore.Code;

/// <summary>A site in its code.</summary>
internal readonly record struct PlacedSite(LiveCode Code, PatchSite Site);

/// <summary>
/// The analysis of a patch, and the instructions that it was made from. Code that is switched back and forth has the
/// same instructions each second time, so the next commit of the same patch only checks whether they are unchanged.
/// Used under the lock of patches.
/// </summary>
internal sealed class PatchDraft
{
    private readonly List<PlacedSite> _sites = [];
    private readonly List<Source> _sources = [];
    private readonly List<Resumption> _before = [];
    private readonly List<Resumption> _after = [];

    /// <exception cref="CodeException">The changes are refused.</exception>
    public PatchDraft(IEnumerable<(LiveCode Code, List<CodeChange> Changes)> changes)
    {
        var found = new List<PatchSite>();
        foreach ((LiveCode code, List<CodeChange> inIt) in changes)
        {
            found.Clear();
            var ranges = new List<(int Offset, byte[] Bytes)>();
            PatchAnalysis.FindSites(code.Content, code.Instructions, CollectionsMarshal.AsSpan(inIt), found, ranges);
            _sources.Add(new Source(code, code.Instructions.Starts, ranges));
            foreach (PatchSite site in found)
            {
                _sites.Add(new PlacedSite(code, site));
            }
        }
    }

    public ReadOnlySpan<PlacedSite> Sites => CollectionsMarshal.AsSpan(_sites);

    /// <summary>
    /// Whether every instruction that was examined is unchanged. The lengths of instructions are, if no start has been
    /// added anywhere.
    /// </summary>
    public bool StillHolds
    {
        get
        {
            foreach (Source source in _sources)
            {
                if (source.Code.Instructions.Starts != source.Starts)
                {
                    return false;
                }

                foreach ((int offset, byte[] bytes) in source.Ranges)
                {
                    if (!source.Code.Content.Slice(offset, bytes.Length).SequenceEqual(bytes))
                    {
                        return false;
                    }
                }
            }

            return true;
        }
    }

    /// <summary>Enters into two tables where threads that meet the breakpoints continue.</summary>
    /// <returns>Why they cannot continue, or null.</returns>
    public PatchObstacle? Fill(BreakpointTable old, BreakpointTable @new)
    {
        if (_before.Count < _sites.Count && FindResumptions() is { } refused)
        {
            return refused;
        }

        for (int index = 0; index < _sites.Count; index++)
        {
            (LiveCode code, PatchSite site) = _sites[index];
            nint address = code.Memory.Address + site.Offset;
            old.Add(address, _before[index]);
            @new.Add(address, _after[index]);
        }

        return null;
    }

    /// <summary>
    /// Frees the copies that no thread was sent to, in all code that changes. What other drafts know of copies there is
    /// no longer true; <see cref="LiveCode.CopiesForgotten"/> tells them.
    /// </summary>
    public void ForgetUnusedCopies()
    {
        foreach (Source source in _sources)
        {
            source.Code.ForgetUnusedCopies();
        }
    }

    /// <summary>Discards the resumptions if copies were forgotten since they were found.</summary>
    public void RefreshResumptions()
    {
        foreach (Source source in _sources)
        {
            if (source.CopiesForgotten != source.Code.CopiesForgotten)
            {
                source.CopiesForgotten = source.Code.CopiesForgotten;
                _before.Clear();
                _after.Clear();
            }
        }
    }

    private PatchObstacle? FindResumptions()
    {
        _before.Clear();
        _after.Clear();
        foreach ((LiveCode code, PatchSite site) in _sites)
        {
            PatchObstacle? refused = code.Resume(site.Offset, site.Old, out Resumption before);
            Resumption after = default;
            refused ??= code.Resume(site.Offset, site.New, out after);
            if (refused is not null)
            {
                _before.Clear();
                _after.Clear();
                return refused;
            }

            _before.Add(before);
            _after.Add(after);
        }

        return null;
    }

    private sealed class Source(LiveCode code, int starts, List<(int Offset, byte[] Bytes)> ranges)
    {
        public LiveCode Code => code;

        public int Starts => starts;

        public List<(int Offset, byte[] Bytes)> Ranges => ranges;

        public int CopiesForgotten { get; set; } = code.CopiesForgotten;
    }
}
