using System.Globalization;
using System.Runtime.InteropServices;
using Crosscore.Code;
using Crosscore.Linux;
using Crosscore.PerCpu;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Crosscore.Tests.PerCpu;

/// <summary>
/// A section that never comes to its end by itself: it turns in place on one CPU, counts its turns and how often it
/// begins anew, and ends when it is told to.
/// </summary>
internal sealed unsafe class SpinSection : IDisposable
{
    private readonly State* _state;
    private readonly Thread _thread;
    private int _id;

    public SpinSection(int cpu)
    {
        _state = (State*)NativeMemory.AlignedAlloc((nuint)sizeof(State), 128);
        *_state = default;
        nint code = Install();
        _thread = new Thread(() =>
        {
            Threads.Place(0, cpu);
            Volatile.Write(ref _id, Threads.CurrentId);
            // SAFETY: a function of one argument; it ends when End is set. The transition lets the collector run
            // concurrently.
            ((delegate* unmanaged<State*, void>)code)(_state);
        });
        _thread.Start();
        WaitForTurn();
    }

    public long Restarts => Volatile.Read(ref _state->Restarts);

    /// <summary>How often the kernel has put the thread on a CPU: the third number of schedstat.</summary>
    public long Arrivals =>
        long.Parse(
            File.ReadAllText($"/proc/self/task/{Volatile.Read(ref _id)}/schedstat").Split(' ')[2],
            CultureInfo.InvariantCulture
        );

    /// <summary>Returns when the section has gone round once more; a restart that was due has happened then.</summary>
    public void WaitForTurn()
    {
        long turns = Volatile.Read(ref _state->Turns);
        var wait = new SpinWait();
        while (Volatile.Read(ref _state->Turns) == turns)
        {
            wait.SpinOnce();
        }
    }

    public void Dispose()
    {
        Volatile.Write(ref _state->End, 1);
        _thread.Join();
        NativeMemory.AlignedFree(_state);
    }

    private static nint Install()
    {
        // for good, as the code
        var descriptor = (RseqCall.Descriptor*)NativeMemory.AlignedAlloc((nuint)sizeof(RseqCall.Descriptor), 32);
        var asm = new Assembler(64);
        Label retry = asm.CreateLabel(),
            start = asm.CreateLabel(),
            postCommit = asm.CreateLabel(),
            abort = asm.CreateLabel();
        asm.Label(ref retry);
        asm.mov(r11, (ulong)descriptor);
        asm.mov(__.fs[RseqArea.Here.Offset + RseqCall.RseqCsOffset], r11);
        asm.Label(ref start);
        asm.inc(__qword_ptr[rdi]);
        asm.cmp(__qword_ptr[rdi + 8], 0);
        asm.je(start);
        asm.Label(ref postCommit);
        asm.ret();
        asm.db(0x0F, 0xB9, 0x3D);
        asm.dd(RseqCall.Signature);
        asm.Label(ref abort);
        asm.inc(__qword_ptr[rdi + 16]);
        asm.jmp(retry);
        using var stream = new MemoryStream();
        AssemblerResult result = asm.Assemble(
            new StreamCodeWriter(stream),
            0,
            BlockEncoderOptions.ReturnNewInstructionOffsets
        );
        using SealedCode sealedCode = SealedCode.Seal(stream.ToArray());
        nint address = sealedCode.Install().Address;
        *descriptor = new RseqCall.Descriptor
        {
            StartIp = (ulong)address + result.GetLabelRIP(start),
            PostCommitOffset = result.GetLabelRIP(postCommit) - result.GetLabelRIP(start),
            AbortIp = (ulong)address + result.GetLabelRIP(abort),
        };
        return address;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct State
    {
        public long Turns;
        public long End;
        public long Restarts;
    }
}
