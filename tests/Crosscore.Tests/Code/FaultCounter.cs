using System.Runtime.InteropServices;
using Crosscore.Code;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Crosscore.Tests;

/// <summary>
/// Counts executions of code that is gone, instead of ending with them: a SIGSEGV handler, itself installed machine
/// code, sends a thread that faults in a range of addresses to a function's end that returns -1, and passes every other
/// fault on to the runtime's handler. Works for functions that leave the stack as they found it. For the life of the
/// process.
/// </summary>
internal sealed unsafe partial class FaultCounter
{
    public const int Poison = -1;

    private const int Sigsegv = 11;

    // ucontext_t: RIP is register 16 of 23 after 40 bytes (sys/ucontext.h of x86-64).
    private const int RipOffset = 40 + (16 * 8);

    private readonly Cells* _cells;

    public FaultCounter(nint start, nint length)
    {
        _cells = (Cells*)NativeMemory.AllocZeroed((nuint)sizeof(Cells));
        SignalAction action;
        Assert.Equal(0, Sigaction(Sigsegv, null, &action));
        _cells->Previous = action.Handler;
        using SealedCode code = SealedCode.Seal(Handler(start, start + length));
        // Flags and mask stay: the runtime's handler needs its own stack and arguments.
        action.Handler = code.Install().Address;
        Assert.Equal(0, Sigaction(Sigsegv, &action, null));
    }

    public long Hits => Volatile.Read(ref _cells->Hits);

    private byte[] Handler(nint low, nint high)
    {
        var asm = new Assembler(64);
        Label passOn = asm.CreateLabel();
        Label end = asm.CreateLabel();
        asm.mov(rax, __[rdx + RipOffset]);
        asm.mov(rcx, low);
        asm.cmp(rax, rcx);
        asm.jb(passOn);
        asm.mov(rcx, high);
        asm.cmp(rax, rcx);
        asm.jae(passOn);
        asm.mov(rcx, (nint)(&_cells->Hits));
        asm.@lock.inc(__qword_ptr[rcx]);
        asm.lea(rax, __[end]);
        asm.mov(__[rdx + RipOffset], rax);
        asm.ret();
        asm.Label(ref passOn);
        asm.mov(rax, (nint)(&_cells->Previous));
        asm.jmp(__qword_ptr[rax]);
        asm.Label(ref end);
        asm.mov(eax, Poison);
        asm.ret();
        using var code = new MemoryStream();
        _ = asm.Assemble(new StreamCodeWriter(code), 0);
        return code.ToArray();
    }

    [LibraryImport("libc", EntryPoint = "sigaction", SetLastError = true)]
    private static partial int Sigaction(int signal, SignalAction* action, SignalAction* old);

    [StructLayout(LayoutKind.Sequential)]
    private struct Cells
    {
        public long Hits;
        public nint Previous;
    }

    /// <summary>The C library's struct sigaction on x86-64.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct SignalAction
    {
        public nint Handler;
        public fixed byte Mask[128];
        public int Flags;
        public nint Restorer;
    }
}
