namespace Crosscore.Code;

/// <summary>
/// Changes to live code, collected and then committed together while threads execute it. At every site each thread
/// executes the whole old instruction or the whole new one, and only the new one after <see cref="Commit"/> has
/// returned.
/// </summary>
/// <remarks>
/// <para>A change replaces bytes: whole instructions, or a part of one, an immediate for instance. Every start of an
/// instruction must remain one, because a thread may be stopped there, with what stands before it already executed; it
/// continues with the new instruction there. So several instructions are replaced one by one, and one long instruction
/// cannot replace several short ones: such a patch is refused, with the reason. Prepare such a site with a long
/// NOP.</para>
/// <para>The method is the cheapest that is right, see <see cref="PatchMethod"/>; <see cref="Plan"/> says which it will
/// be, and why.</para>
/// <para>Not safe for use by several threads. Commits of different patches take turns.</para>
/// </remarks>
/// <param name="mode">Which guarantees to rely on: documented ones, or measured behavior.</param>
public sealed class CodePatch(CodeMode mode = CodeMode.Strict)
{
    private readonly List<(LiveCode Code, List<CodeChange> Changes)> _changes = [];
    private PatchDraft? _draft;

    /// <summary>Adds a change.</summary>
    /// <param name="code">The code to change.</param>
    /// <param name="offset">The offset of the first byte in it.</param>
    /// <param name="bytes">The new bytes. Copied.</param>
    /// <exception cref="CodeException">No bytes, outside the code, or over a change that was added before; nothing
    /// was added.</exception>
    /// <exception cref="ObjectDisposedException">The code was unmapped.</exception>
    public CodePatch Replace(LiveCode code, int offset, ReadOnlySpan<byte> bytes)
    {
        ArgumentNullException.ThrowIfNull(code);
        code.ThrowIfDisposed();
        if (bytes.IsEmpty || offset < 0 || offset > code.Length - bytes.Length)
        {
            throw new CodeException(
                CodeFailure.PatchOutside,
                $"A change of {bytes.Length} bytes at {offset} does not lie in the code, which has {code.Length} bytes."
            );
        }

        List<CodeChange> changes = ChangesOf(code);
        var change = new CodeChange(offset, bytes.ToArray());
        // Behind all that begin before it: kept in order.
        int index = changes.FindLastIndex(other => other.Offset <= offset) + 1;
        foreach (int neighbor in (ReadOnlySpan<int>)[index - 1, index])
        {
            if (
                neighbor >= 0
                && neighbor < changes.Count
                && changes[neighbor].Offset < change.End
                && offset < changes[neighbor].End
            )
            {
                throw new CodeException(
                    CodeFailure.PatchOverlaps,
                    $"The change of {bytes.Length} bytes at {offset} overlaps the one of "
                        + $"{changes[neighbor].Bytes.Length} bytes at {changes[neighbor].Offset}."
                );
            }
        }

        changes.Insert(index, change);
        _draft = null;
        return this;
    }

    /// <summary>
    /// Returns what <see cref="Commit"/> would do now. Changes nothing; another patch, or a debugger that attaches, can
    /// change the answer.
    /// </summary>
    /// <exception cref="CodeException">The patch would be refused.</exception>
    /// <exception cref="ObjectDisposedException">Some code was unmapped.</exception>
    public PatchPlan Plan()
    {
        lock (LiveCode.Patching)
        {
            using CodeEvents.DryRun dryRun = CodeEvents.BeginDryRun();
            PreparedPatch prepared = Prepare();
            prepared.Abandon();
            return prepared.Plan;
        }
    }

    /// <summary>
    /// Writes the changes. May be called again, for code that another patch has changed in between.
    /// </summary>
    /// <returns>What was done.</returns>
    /// <exception cref="CodeException">The patch is refused; everything is as it was before, but after
    /// <see cref="CodeFailure.OldCodeNotConfirmed"/>.</exception>
    /// <exception cref="ObjectDisposedException">Some code was unmapped.</exception>
    public PatchPlan Commit()
    {
        lock (LiveCode.Patching)
        {
            PreparedPatch prepared = Prepare();
            prepared.Write();
            CodeEvents.Patches.Add(prepared.Plan.Sites);
            return prepared.Plan;
        }
    }

    /// <summary>
    /// Checks everything and changes nothing yet. The caller holds <see cref="LiveCode.Patching"/>.
    /// </summary>
    internal PreparedPatch Prepare() => Prepare(BreakpointConditions.OfThisProcess);

    internal PreparedPatch Prepare(BreakpointConditions conditions) =>
        Prepare(conditions, ProcessorFacts.OfThisProcess);

    internal PreparedPatch Prepare(BreakpointConditions conditions, in ProcessorFacts processor)
    {
        foreach ((LiveCode code, _) in _changes)
        {
            code.ThrowIfDisposed();
        }

        if (_draft is not { StillHolds: true })
        {
            _draft = new PatchDraft(_changes);
        }

        return PreparedPatch.Of(_draft, mode, conditions, processor);
    }

    private List<CodeChange> ChangesOf(LiveCode code)
    {
        foreach ((LiveCode known, List<CodeChange> changes) in _changes)
        {
            if (known == code)
            {
                return changes;
            }
        }

        List<CodeChange> added = [];
        _changes.Add((code, added));
        return added;
    }
}
