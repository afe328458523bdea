using System.Runtime.InteropServices;
using Crosscore.Isa;
using Crosscore.Sealing;

namespace Crosscore.Code;

/// <summary>
/// Makes sure that every core fetches new code. On x86-64 there is nothing to do: fetches see stores (Intel SDM vol. 3,
/// 11.6; AMD APM vol. 2, 7.6.1), and no core has fetched at fresh addresses before.
/// </summary>
internal static unsafe class InstructionCaches
{
    private static readonly Lock Installing = new();
    private static Routines? s_routines;

    /// <summary>Makes code fetchable; called between mapping it and handing out its address.</summary>
    /// <exception cref="CodeException">arm64: the cores could not be synchronized.</exception>
    public static void MakeFetchable(nint address, int length)
    {
        if (RuntimeInformation.ProcessArchitecture != Architecture.Arm64)
        {
            return;
        }

        Routines routines = Volatile.Read(ref s_routines) ?? InstallOnce();
        CacheGeometry geometry = routines.Geometry;
        nint end = address + length;

        // SAFETY: the routines touch no memory but the lines from the first argument to the second, which are mapped
        // readable; they use X0 to X2 and the flags only.
        if (geometry.NeedsClean)
        {
            ((delegate* unmanaged<nint, nint, nint, void>)routines.Clean)(
                CacheGeometry.FirstLine(address, geometry.DataLine),
                end,
                geometry.DataLine
            );
        }

        if (geometry.NeedsInvalidate)
        {
            ((delegate* unmanaged<nint, nint, nint, void>)routines.Invalidate)(
                CacheGeometry.FirstLine(address, geometry.InstructionLine),
                end,
                geometry.InstructionLine
            );
        }

        // The maintenance above reaches every core's caches, not what a core has fetched already: that takes an ISB
        // there (Arm ARM, B2.7.4.2).
        AllCores.Synchronize();
    }

    /// <summary>Does not remember a refusal: the next use tries again.</summary>
    private static Routines InstallOnce()
    {
        lock (Installing)
        {
            if (s_routines is null)
            {
                // Pairs with the read above: a thread that sees the object sees the mapped routines' addresses in it.
                Volatile.Write(ref s_routines, InstallRoutines());
            }

            return s_routines;
        }
    }

    /// <summary>
    /// The routines are code themselves. Only the kernel cleans the caches for them, when it maps a page of a file for
    /// execution for the first time since the page was written (arch/arm64/mm/flush.c, __sync_icache_dcache); it
    /// serializes the caller on the way back. No other thread has seen their addresses.
    /// </summary>
    private static Routines InstallRoutines()
    {
        ReadOnlySpan<byte> read = MemoryMarshal.AsBytes(CacheRoutines.ReadType);
        ReadOnlySpan<byte> clean = MemoryMarshal.AsBytes(CacheRoutines.Clean);
        nint address = SealedFile.MapForGood(
            "cache-maintenance",
            [.. read, .. clean, .. MemoryMarshal.AsBytes(CacheRoutines.Invalidate)]
        );

        // SAFETY: the routine takes nothing and returns the register in X0; user mode may read it (Linux emulates the
        // read where an erratum forbids it).
        ulong register = ((delegate* unmanaged<ulong>)address)();
        nint cleanAt = address + read.Length;
        return new(cleanAt, cleanAt + clean.Length, CacheGeometry.FromCtrEl0(register));
    }

    private sealed record Routines(nint Clean, nint Invalidate, CacheGeometry Geometry);
}
