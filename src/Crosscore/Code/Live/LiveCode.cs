using System.Runtime.InteropServices;
using Crosscore.Isa;
using Crosscore.Linux;
using Crosscore.Sealing;

namespace Crosscore.Code;

/// <summary>
/// Machine code that <see cref="CodePatch"/> may change while any number of threads execute it. It has two addresses:
/// one for execution, never writable; one for writing, which only this library knows and which is the only way to write
/// it.
/// </summary>
/// <remarks>
/// <para>It consists of instructions alone, from its first byte to its last, so that where they begin is known. They
/// are position-independent or reach what they need within the same code.</para>
/// <para>Caller must: call it with the calling convention and arguments that it expects, whatever it is changed to
/// concurrently.</para>
/// <para>Caller must: not execute it with SIGTRAP blocked, or inside a handler that SIGTRAP has interrupted: there the
/// kernel ends a process that meets a breakpoint.</para>
/// <para>Caller must: know that no thread is executing it or will return into it when <see cref="Dispose"/> is called.
/// There is no finalizer, because a collector cannot know.</para>
/// <para>Children made by fork do not have it. Linux 5.1 or newer, x86-64.</para>
/// </remarks>
/// <example>
/// <code>
/// using LiveCode code = LiveCode.Install([0xB8, 1, 0, 0, 0, 0xC3]); // mov eax, 1; ret
/// PatchPlan plan = new CodePatch().Replace(code, offset: 1, [2]).Commit(); // mov eax, 2 for every thread
/// Console.WriteLine($"{plan.Method}: {plan.Reason}");
/// </code>
/// </example>
public sealed class LiveCode : IDisposable
{
    /// <summary>The maximum number of bytes of one piece of live code.</summary>
    public const int MaxLength = 16 << 20;

    private readonly byte[] _content;
    private readonly CodeSegment _segment;
    private readonly OutOfLineCopies _copies;

    private LiveCode(LiveMemory memory, byte[] content, InstructionMap instructions, CodeSegment segment, int end)
    {
        Memory = memory;
        _content = content;
        Instructions = instructions;
        _segment = segment;
        _copies = new OutOfLineCopies(memory, content.Length, end);
    }

    /// <summary>Gets the address of the first byte, at the start of a page.</summary>
    /// <exception cref="ObjectDisposedException">The code was unmapped.</exception>
    public nint Address
    {
        get
        {
            nint address = Memory.Address;
            ObjectDisposedException.ThrowIf(address == 0, this);
            return address;
        }
    }

    /// <summary>Gets the number of bytes that were given.</summary>
    public int Length => _segment.Length;

    /// <summary>Gets its name, or <see langword="null"/>.</summary>
    public string? Name => _segment.Name;

    /// <summary>
    /// The lock of patches: one at a time in the whole process, because there is one breakpoint handler.
    /// </summary>
    internal static Lock Patching { get; } = new();

    internal LiveMemory Memory { get; }

    internal void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(Memory.Address == 0, this);

    internal InstructionMap Instructions { get; }

    /// <summary>What every thread executes when no patch is being written, whole pages.</summary>
    internal ReadOnlySpan<byte> Content => _content;

    /// <summary>
    /// Copies code and maps it for execution. The first call in a process also installs the breakpoint handler and
    /// registers with membarrier, which takes 10 to 25 ms.
    /// </summary>
    /// <param name="code">Whole instructions; at least one.</param>
    /// <param name="name">What it is called in profiles, debuggers and /proc/PID/maps ("/memfd:crosscore-live:NAME"),
    /// or <see langword="null"/>.</param>
    /// <exception cref="ArgumentException">No code, or more than <see cref="MaxLength"/>.</exception>
    /// <exception cref="CodeException">Some bytes are no instructions that are known, or the system refused; nothing is
    /// mapped.</exception>
    public static LiveCode Install(ReadOnlySpan<byte> code, string? name = null)
    {
        var writer = new CodeWriter(name);
        _ = writer.Append(code, name);
        return Install(writer);
    }

    /// <summary>Copies and maps many functions with their names. The writer keeps what it has.</summary>
    /// <param name="writer">The functions.</param>
    /// <exception cref="ArgumentException">No code, or more than <see cref="MaxLength"/>.</exception>
    /// <exception cref="CodeException">Some bytes are no instructions that are known, or the system refused; nothing is
    /// mapped.</exception>
    public static LiveCode Install(CodeWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        if (writer.Length is 0 or > MaxLength)
        {
            throw new ArgumentException($"Live code has 1 to {MaxLength} bytes, not {writer.Length}.", nameof(writer));
        }

        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            throw new CodeException(
                CodeFailure.WrongPlatform,
                "Live code is implemented for Linux on x86-64 only. Elsewhere, install sealed code and swap the "
                    + "target of a CodeSlot."
            );
        }

        CodeFunction[] functions = [.. writer.Functions];
        var instructions = InstructionMap.Of(writer.Bytes, functions);
        int pages = Pages.RoundUp(writer.Length);
        // Behind it, copies of instructions for threads that meet a breakpoint.
        int end = pages + Pages.RoundUp(Math.Max(64 << 10, pages));
        byte[] all = new byte[end];
        writer.Bytes.CopyTo(all);
        all.AsSpan(writer.Length).Fill(NativeIsa.Trap);
        CodeEvents.Publish(); // not under the lock: it calls listeners
        lock (Patching)
        {
            AllCores.Prepare(CodeMode.Measured);
            BreakpointHandler.Install();
            var memory = new LiveMemory(CodeRange.OfThisProcess, all, writer.Name);
            try
            {
                var code = new LiveCode(
                    memory,
                    all[..pages],
                    instructions,
                    new CodeSegment(memory.Address, writer.Length, writer.Name, functions),
                    end
                );
                CodeRegistry.Add(code._segment);
                CodeEvents.Segments.Add(1);
                CodeEvents.Bytes.Add(end);
                return code;
            }
            catch (OutOfMemoryException lack)
            {
                memory.Dispose();
                throw CodeRefusal.ManagedMemory("The names of the code could not be published", lack);
            }
            catch
            {
                memory.Dispose();
                throw;
            }
        }
    }

    /// <summary>
    /// Puts a breakpoint handler in front of one that another part of the process installed after ours; SIGTRAPs
    /// unrelated to patches are forwarded to it. Does nothing if ours is in place.
    /// </summary>
    /// <exception cref="CodeException">The system refused.</exception>
    public static void RestoreBreakpointHandler()
    {
        lock (Patching)
        {
            BreakpointHandler.Install();
        }
    }

    /// <summary>Returns a copy of what every thread executes while no patch is being written.</summary>
    /// <exception cref="ObjectDisposedException">The code was unmapped.</exception>
    public byte[] ToArray()
    {
        lock (Patching)
        {
            ThrowIfDisposed();
            return _content[..Length];
        }
    }

    /// <summary>Returns where a function begins.</summary>
    /// <param name="function">One of those that were written.</param>
    /// <exception cref="ArgumentOutOfRangeException">It lies outside the code.</exception>
    /// <exception cref="ObjectDisposedException">The code was unmapped.</exception>
    public nint AddressOf(CodeFunction function)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(function.Offset, nameof(function));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(function.Offset, Length, nameof(function));
        return Address + function.Offset;
    }

    /// <summary>
    /// Unmaps the code. The caller guarantees that no thread executes it; a second call does nothing.
    /// </summary>
    public void Dispose()
    {
        lock (Patching)
        {
            if (Memory.IsDisposed)
            {
                return;
            }

            CodeRegistry.Remove(_segment);
            CodeEvents.Segments.Add(-1);
            CodeEvents.Bytes.Add(-Memory.Length);
            Memory.Dispose();
        }
    }

    /// <summary>
    /// Finds where a thread continues in place of executing these instructions at an offset. Jumps, calls and
    /// instructions without effect need no copy: the thread continues where they lead.
    /// </summary>
    /// <returns>Why it cannot continue, or null.</returns>
    internal PatchObstacle? Resume(int offset, InstructionBytes bytes, out Resumption resumption)
    {
        if (_copies.Find(offset, bytes) is { } known)
        {
            resumption = new(Memory.Address + known.Offset, 0, known);
            return null;
        }

        Span<byte> instructions = bytes.CopyTo(stackalloc byte[InstructionBytes.Size]);
        nint address = Memory.Address + offset;
        int at = 0;
        while (
            at < instructions.Length && X86_64Decoder.TryDecode(instructions[at..], out X86_64Instruction instruction)
        )
        {
            nint end = address + at + instruction.Length;
            if (instruction.Branch is X86_64Branch.Jump or X86_64Branch.Call)
            {
                resumption = new(
                    end + instruction.Distance(instructions[at..]),
                    instruction.Branch == X86_64Branch.Call ? end : 0,
                    null
                );
                return null;
            }

            if (!instruction.HasNoEffect)
            {
                break;
            }

            at += instruction.Length;
        }

        resumption = new(address + instructions.Length, 0, null);
        if (at == instructions.Length)
        {
            return null;
        }

        if (!_copies.TryGet(offset, bytes, out OutOfLineCopy? copy, out string? obstacle))
        {
            return obstacle is null
                ? new(
                    CodeFailure.OutOfLineMemory,
                    "the memory for copies of instructions is full: threads may still be in as many different "
                        + "instructions as were executed there"
                )
                : new(CodeFailure.PatchNotMovable, $"the instruction at {offset} {obstacle}");
        }

        resumption = new(Memory.Address + copy!.Offset, 0, copy);
        return null;
    }

    /// <summary>How often copies were forgotten; what was known of them before may lie elsewhere now.</summary>
    internal int CopiesForgotten { get; private set; }

    internal void ForgetUnusedCopies()
    {
        CopiesForgotten++;
        _copies.ForgetUnused();
    }

    /// <summary>A site was written.</summary>
    internal void Changed(in PatchSite site)
    {
        Span<byte> instructions = site.New.CopyTo(stackalloc byte[InstructionBytes.Size]);
        instructions.CopyTo(_content.AsSpan(site.Offset));
        for (int at = 0; at < instructions.Length && site.Instructions > 1; )
        {
            Instructions.Add(site.Offset + at);
            _ = X86_64Decoder.TryDecode(instructions[at..], out X86_64Instruction instruction);
            at += instruction.Length;
        }
    }

    /// <summary>
    /// Tells profilers of the code again: exchanged pages are a mapping of another file to them.
    /// </summary>
    internal void NameAgain()
    {
        _segment.Remapped();
        CodeRegistry.Remapped(_segment);
    }
}
