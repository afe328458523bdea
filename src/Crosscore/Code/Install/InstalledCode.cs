namespace Crosscore.Code;

/// <summary>
/// Sealed code at an address, ready to be executed by any thread: readable and executable, never writable, and unable
/// to become so (mprotect to a writable mapping is refused, because the file under it is sealed). Made by
/// <see cref="SealedCode.Install"/>.
/// </summary>
/// <remarks>
/// <para>Caller must: call an address with the calling convention and arguments that the code expects.</para>
/// <para>Caller must: know that no thread is executing the code, or will return into it or call it, when
/// <see cref="Dispose"/> is called. Nothing here can check that; a thread that does ends with SIGSEGV, or runs whatever
/// is mapped there next. Where threads may be in it, <see cref="CodeReclaimer"/> finds out when they have left.</para>
/// <para>There is no finalizer, on purpose: a collector cannot know which thread runs the code, so code that is never
/// disposed of stays installed.</para>
/// </remarks>
public sealed class InstalledCode : IDisposable
{
    private readonly CodePlace _place;
    private readonly CodeSegment _segment;
    private int _isGone;

    internal InstalledCode(CodePlace place, CodeSegment segment)
    {
        _place = place;
        _segment = segment;
        CodeRegistry.Add(segment);
        CodeEvents.Segments.Add(1);
        CodeEvents.Bytes.Add(MappedLength);
    }

    /// <summary>
    /// Gets the address of the first byte, the start of a page. The rest of the last page traps when executed.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The code was disposed of or retired.</exception>
    public nint Address
    {
        get
        {
            ObjectDisposedException.ThrowIf(Volatile.Read(ref _isGone) != 0, this);
            return _segment.Address;
        }
    }

    /// <summary>Gets the segment's name, or <see langword="null"/>.</summary>
    public string? Name => _segment.Name;

    /// <summary>Gets the number of bytes that were given.</summary>
    public int Length => _segment.Length;

    /// <summary>Gets the functions and entry points, in the order in which they were added.</summary>
    public IReadOnlyList<CodeFunction> Functions => _segment.Functions;

    internal int MappedLength => _place.CodeLength;

    /// <summary>Returns where a function is entered.</summary>
    /// <param name="function">A function of the writer that made this segment.</param>
    /// <exception cref="CodeException">The segment has no such function.</exception>
    /// <exception cref="ObjectDisposedException">The code was disposed of or retired.</exception>
    public nint AddressOf(CodeFunction function) =>
        function.Offset >= 0 && function.Length > 0 && function.Offset <= Length - function.Length
            ? Address + function.Offset
            : throw new CodeException(
                CodeFailure.EntryPointOutside,
                $"The function at {function.Offset} with {function.Length} bytes lies outside the segment's "
                    + $"{Length} bytes: it is one of another segment."
            );

    /// <summary>Returns where a named function is entered.</summary>
    /// <param name="name">The name.</param>
    /// <exception cref="CodeException">The segment has no function of that name.</exception>
    /// <exception cref="ObjectDisposedException">The code was disposed of or retired.</exception>
    public nint AddressOf(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _segment.Find(name) is { } function
            ? Address + function.Offset
            : throw new CodeException(CodeFailure.EntryPointName, $"The segment has no function called '{name}'.");
    }

    /// <summary>Unmaps the code. The caller guarantees that no thread runs it; a second call does nothing.</summary>
    public void Dispose()
    {
        if (Withdraw())
        {
            Unmap();
        }
    }

    /// <summary>
    /// Stops handing out addresses; one <see cref="Unmap"/> follows when no thread runs the code, or one
    /// <see cref="GiveBack"/>.
    /// </summary>
    /// <returns>Whether it handed out addresses until now.</returns>
    internal bool Withdraw() => Interlocked.Exchange(ref _isGone, 1) == 0;

    /// <summary>Undoes a withdrawal.</summary>
    internal void GiveBack() => Volatile.Write(ref _isGone, 0);

    internal void Unmap()
    {
        CodeRegistry.Remove(_segment); // Before another segment can have the same addresses.
        _place.Free();
        CodeEvents.Segments.Add(-1);
        CodeEvents.Bytes.Add(-MappedLength);
    }
}
