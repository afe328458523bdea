using System.Diagnostics;
using System.Runtime.InteropServices;
using Crosscore.Code;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Crosscore.Tests.Code.Live;

/// <summary>
/// Executes the functions of a <see cref="TortureCode"/> all the time, on a thread that stays in machine code and makes
/// no system call, and on one that calls from C# without leaving the collector's sight, while the caller changes them.
/// Each result must be of a version between the one that was committed last before the call and the one begun last
/// after it.
/// </summary>
internal sealed unsafe class Torture : IDisposable
{
    // Words of the block that both sides share.
    private const int Stop = 0;
    private const int Done = 1;
    private const int Begun = 2;
    private const int NativeCalls = 3;
    private const int NativeTorn = 4;
    private const int NativeStale = 5;
    private const int ManagedCalls = 6;
    private const int ManagedTorn = 7;
    private const int ManagedStale = 8;
    private const int Words = 16;

    private readonly long* _shared;
    private readonly nint[] _targets;
    private readonly GCHandle _pinned;
    private readonly InstalledCode _loop;
    private readonly Thread _native;
    private readonly Thread _managed;

    /// <param name="code">What is executed.</param>
    /// <param name="managed">Whether C# calls it, too; otherwise the machine code has processor 1 for itself, as far as
    /// others leave it.</param>
    public Torture(TortureCode code, bool managed = true)
    {
        _targets = [.. code.Sites.Select(site => code.Code.Address + site.Offset)];
        _pinned = GCHandle.Alloc(_targets, GCHandleType.Pinned);

        // SAFETY: aligned, cleared, freed after both threads have ended.
        _shared = (long*)NativeMemory.AlignedAlloc(Words * sizeof(long), 64);
        NativeMemory.Clear(_shared, Words * sizeof(long));
        using SealedCode sealedLoop = SealedCode.Seal(NativeLoop());
        _loop = sealedLoop.Install();
        nint loop = _loop.Address;
        nint targets = _pinned.AddrOfPinnedObject();
        _native = new Thread(() =>
        {
            if (!managed)
            {
                Processor.Pin(1);
            }

            // SAFETY: the loop takes the block, the targets and their number, and calls what the code's comment says.
            ((delegate* unmanaged<long*, nint, nint, void>)loop)(_shared, targets, _targets.Length);
        });
        _managed = new Thread(ManagedLoop);
        _native.Start();
        if (managed)
        {
            _managed.Start();
        }
    }

    public long Torn => Volatile.Read(ref _shared[NativeTorn]) + Volatile.Read(ref _shared[ManagedTorn]);

    public long Stale => Volatile.Read(ref _shared[NativeStale]) + Volatile.Read(ref _shared[ManagedStale]);

    public string Report(long patches, Stopwatch watch) =>
        $"{patches:N0} patches of {_targets.Length} sites in {watch.Elapsed.TotalSeconds:N1} s, "
        + $"{Volatile.Read(ref _shared[NativeCalls]):N0} + {Volatile.Read(ref _shared[ManagedCalls]):N0} "
        + $"calls, {Torn} torn, {Stale} stale, {GC.CollectionCount(0)} collections";

    public bool BothHaveCalled =>
        Volatile.Read(ref _shared[NativeCalls]) > 0 && Volatile.Read(ref _shared[ManagedCalls]) > 0;

    /// <summary>Changes the code to a version.</summary>
    public void Change(long version, Action commit)
    {
        Volatile.Write(ref _shared[Begun], version);
        commit();
        Volatile.Write(ref _shared[Done], version);
    }

    public void Dispose()
    {
        Volatile.Write(ref _shared[Stop], 1);
        _native.Join();
        if (_managed.ThreadState != System.Threading.ThreadState.Unstarted)
        {
            _managed.Join();
        }

        _loop.Dispose();
        _pinned.Free();
        NativeMemory.AlignedFree(_shared);
    }

    private void ManagedLoop()
    {
        while (Volatile.Read(ref _shared[Stop]) == 0)
        {
            foreach (nint target in _targets)
            {
                long done = Volatile.Read(ref _shared[Done]);

                // SAFETY: a complete function without arguments in every version; it stays mapped until this thread has
                // ended.
                int value = ((delegate* unmanaged[SuppressGCTransition]<int>)target)();
                long begun = Volatile.Read(ref _shared[Begun]);
                _shared[ManagedTorn] += value == (value & 0xFF) * 0x01010101 ? 0 : 1;
                _shared[ManagedStale] += begun - done < 256 && ((value - done) & 0xFF) > begun - done ? 1 : 0;
            }

            _shared[ManagedCalls] += _targets.Length;
        }
    }

    /// <summary>The same as <see cref="ManagedLoop"/>, in machine code.</summary>
    private static byte[] NativeLoop()
    {
        var asm = new Assembler(64);
        Label round = asm.CreateLabel();
        Label site = asm.CreateLabel();
        Label whole = asm.CreateLabel();
        Label fresh = asm.CreateLabel();
        Label end = asm.CreateLabel();
        AssemblerRegister64[] saved = [rbx, rbp, r12, r13, r14, r15];
        foreach (AssemblerRegister64 register in saved)
        {
            asm.push(register);
        }

        asm.sub(rsp, 8);
        asm.mov(rbx, rdi); // the block
        asm.mov(r12, rsi); // the targets
        asm.mov(r13, rdx); // how many
        asm.Label(ref round);
        asm.cmp(__qword_ptr[rbx + (Stop * 8)], 0);
        asm.jne(end);
        asm.xor(ebp, ebp);
        asm.Label(ref site);
        asm.mov(r14, __[rbx + (Done * 8)]);
        asm.call(__qword_ptr[r12 + (rbp * 8)]);
        asm.mov(r15, __[rbx + (Begun * 8)]);
        asm.movzx(ecx, al);
        asm.imul(ecx, ecx, 0x01010101);
        asm.cmp(ecx, eax);
        asm.je(whole);
        asm.inc(__qword_ptr[rbx + (NativeTorn * 8)]);
        asm.Label(ref whole);
        asm.sub(r15, r14); // how many versions it may be
        asm.cmp(r15, 256);
        asm.jae(fresh);
        asm.sub(eax, r14d);
        asm.movzx(eax, al);
        asm.cmp(rax, r15);
        asm.jbe(fresh);
        asm.inc(__qword_ptr[rbx + (NativeStale * 8)]);
        asm.Label(ref fresh);
        asm.inc(rbp);
        asm.cmp(rbp, r13);
        asm.jb(site);
        asm.add(__[rbx + (NativeCalls * 8)], r13);
        asm.jmp(round);
        asm.Label(ref end);
        asm.add(rsp, 8);
        foreach (AssemblerRegister64 register in saved.Reverse())
        {
            asm.pop(register);
        }

        asm.ret();
        using var stream = new MemoryStream();
        _ = asm.Assemble(new StreamCodeWriter(stream), 0);
        return stream.ToArray();
    }
}
