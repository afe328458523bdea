namespace Crosscore.Code;

/// <summary>
/// Collects position-independent machine code, function by function, in ordinary memory. It has no executable side: <see cref="Seal"/> copies what it holds to where nobody can change
/// it, and only that can be installed.
/// </summary>
/// <remarks>
/// Between the functions lie instructions that trap, so a thread that runs off the end of one does not enter the next. Functions of one segment may call each other by relative
/// displacements, because their distances do not change. Not for several threads at once.
/// </remarks>
public sealed class CodeWriter
{
    /// <summary>The most bytes of a segment, 64 MiB: whoever needs more installs several, which can be reclaimed one by one.</summary>
    public const int MaximumLength = 64 << 20;

    /// <summary>The alignment of functions unless another is asked for: a cache line of every processor this library runs on.</summary>
    public const int DefaultAlignment = 64;

    private readonly List<CodeFunction> _functions = [];
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private byte[] _buffer = [];
    private int _nameCharacters;

    /// <summary>Begins a segment.</summary>
    /// <param name="name">What /proc/PID/maps, perf and core dumps call the segment, or <see langword="null"/>: no control characters, 200 bytes of UTF-8 at most.</param>
    /// <exception cref="ArgumentException"><paramref name="name"/> is no such name.</exception>
    public CodeWriter(string? name = null)
    {
        if (name is not null && (!CodeFile.IsName(name) || System.Text.Encoding.UTF8.GetByteCount(name) > 200))
        {
            throw new ArgumentException("A segment's name has 1 to 200 bytes of UTF-8 and no control characters.", nameof(name));
        }

        Name = name;
    }

    /// <summary>The segment's name.</summary>
    public string? Name { get; }

    /// <summary>Bytes so far, from the start of the first function to the end of the last.</summary>
    public int Length { get; private set; }

    /// <summary>The functions and entry points so far, in the order in which they were added.</summary>
    public IReadOnlyList<CodeFunction> Functions => _functions;

    /// <summary>Adds a function; its first byte is where it is entered. The bytes are copied.</summary>
    /// <param name="code">Complete position-independent instructions for this processor.</param>
    /// <param name="name">What it is to be called, or <see langword="null"/>.</param>
    /// <param name="alignment">Of its first byte: a power of two up to the size of a page.</param>
    /// <exception cref="ArgumentException">No code, no such alignment, or a name that is empty, longer than 1024 bytes of UTF-8 or contains a control character.</exception>
    /// <exception cref="CodeException">The segment has a function of that name, or would exceed <see cref="MaximumLength"/>; nothing was added.</exception>
    public CodeFunction Append(ReadOnlySpan<byte> code, string? name = null, int alignment = DefaultAlignment)
    {
        if (code.IsEmpty)
        {
            throw new ArgumentException("A function has at least one byte.", nameof(code));
        }

        if (!System.Numerics.BitOperations.IsPow2(alignment) || alignment > Environment.SystemPageSize)
        {
            throw new ArgumentException("An alignment is a power of two up to the size of a page.", nameof(alignment));
        }

        long offset = ((long)Length + alignment - 1) & -alignment;
        if (offset + code.Length > MaximumLength)
        {
            throw new CodeException(CodeFailure.OutOfAddresses, $"A segment of {offset + code.Length} bytes is asked for; {MaximumLength} is the most. Install several segments.");
        }

        AddName(name);
        int start = (int)offset;
        int end = start + code.Length;
        if (end > _buffer.Length)
        {
            Grow(end);
        }

        _buffer.AsSpan(Length, start - Length).Fill(CodeFile.Trap);
        code.CopyTo(_buffer.AsSpan(start));
        Length = end;
        var function = new CodeFunction(name, start, code.Length);
        _functions.Add(function);
        return function;
    }

    /// <summary>Adds a further entry point, inside of a function that is there already.</summary>
    /// <param name="name">What it is to be called.</param>
    /// <param name="offset">Where it lies, in bytes from the start of the segment.</param>
    /// <exception cref="ArgumentException">The name is empty, longer than 1024 bytes of UTF-8 or contains a control character.</exception>
    /// <exception cref="CodeException">No function covers the offset, or the segment has a function of that name; nothing was added.</exception>
    public CodeFunction AddEntryPoint(string name, int offset)
    {
        ArgumentNullException.ThrowIfNull(name);
        int around = _functions.FindLastIndex(function => function.Offset <= offset && offset - function.Offset < function.Length);
        if (around < 0)
        {
            throw new CodeException(
                CodeFailure.EntryPointOutside, $"The entry point '{name}' is to lie at {offset}, where no function is: the segment's {Length} bytes begin at 0, and between functions there are traps.");
        }

        AddName(name);
        var entry = new CodeFunction(name, offset, _functions[around].Offset + _functions[around].Length - offset);
        _functions.Add(entry);
        return entry;
    }

    /// <summary>
    /// Copies everything into a memory file and seals it; then nobody can change it any more, this process included. The writer keeps what it has, and can go on.
    /// </summary>
    /// <param name="verifier">Sees exactly the sealed bytes and may refuse them; <see langword="null"/> for none.</param>
    /// <exception cref="InvalidOperationException">There is no code.</exception>
    /// <exception cref="CodeException">The verifier, the kernel or a sandbox refused; <see cref="CodeException.Failure"/> says which. Nothing remains of it.</exception>
    public SealedCode Seal(ICodeVerifier? verifier = null)
    {
        if (_functions.Count == 0)
        {
            throw new InvalidOperationException("There is no code to seal.");
        }

        int bound = CodeFile.Bound(Length, _functions.Count, _nameCharacters, Name);
        if (bound > _buffer.Length)
        {
            Grow(bound);
        }

        CodeFunction[] functions = [.. _functions];
        int size = CodeFile.Complete(_buffer, Length, functions, Name);
        return SealedCode.Create(_buffer.AsSpan(0, size), Length, functions, Name, verifier);
    }

    /// <summary>Forgets everything that was added, and keeps the memory for the next segment of the same name.</summary>
    public void Clear()
    {
        _functions.Clear();
        _names.Clear();
        _nameCharacters = 0;
        Length = 0;
    }

    private void AddName(string? name)
    {
        if (name is null)
        {
            return;
        }

        if (!CodeFile.IsName(name))
        {
            throw new ArgumentException($"A function's name has 1 to {CodeFile.MaximumNameBytes} bytes of UTF-8 and no control characters.", nameof(name));
        }

        if (!_names.Add(name))
        {
            throw new CodeException(CodeFailure.EntryPointName, $"The segment has a function called '{name}' already.");
        }

        _nameCharacters += name.Length;
    }

    private void Grow(int needed) => Array.Resize(ref _buffer, Math.Max(needed, (int)Math.Min(2L * _buffer.Length, Array.MaxLength)));
}
