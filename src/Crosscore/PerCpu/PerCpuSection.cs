using System.Runtime.CompilerServices;

namespace Crosscore.PerCpu;

/// <summary>
/// A section that is ready to run on the slots of a <see cref="PerCpuArea"/>. Any thread may run it, any number at a time. Made by <see cref="SectionBuilder.Build"/>.
/// </summary>
public sealed unsafe class PerCpuSection
{
    private readonly SectionProgram _program;
    private readonly delegate* unmanaged[SuppressGCTransition]<nint, long, long, long, long, SectionResult> _code;

    internal PerCpuSection(SectionProgram program, SectionVariant variant)
    {
        _program = program;
        if (RestartableSequences.IsAvailable)
        {
            Installed = InstalledSections.Install(program, RegisterChoice.Choose(program)!, variant);
            _code = (delegate* unmanaged[SuppressGCTransition]<nint, long, long, long, long, SectionResult>)Installed.Entry;
        }
    }

    internal InstalledSection? Installed { get; }

    /// <summary>
    /// Runs the section on the slot of the CPU this thread runs on, again and again until it commits or leaves. While somebody has stopped the slot, it waits.
    /// </summary>
    /// <param name="area">The slots: of the size for which the section was written.</param>
    /// <param name="argument0">Argument 0, if the section has it.</param>
    /// <param name="argument1">Argument 1, if the section has it.</param>
    /// <param name="argument2">Argument 2, if the section has it.</param>
    /// <param name="argument3">Argument 3, if the section has it.</param>
    /// <exception cref="ArgumentException">The area has slots of another size or index.</exception>
    /// <exception cref="InvalidOperationException">A computed offset was outside of the slot; nothing was committed. Or this thread itself has stopped the
    /// slot.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public SectionResult Run(PerCpuArea area, long argument0 = 0, long argument1 = 0, long argument2 = 0, long argument3 = 0)
    {
        ArgumentNullException.ThrowIfNull(area);
        if (area.UsesSections && area.Slots.Shape == _program.Shape)
        {
            // SAFETY: the code was made for slots of this shape, and they live as long as the area. It takes these registers and returns these two; it makes no call and
            // is a few nanoseconds long, so the collector may wait for it. What pointers among the arguments lead to is the caller's responsibility.
            SectionResult result = _code(area.Slots.Base, argument0, argument1, argument2, argument3);
            GC.KeepAlive(area);
            if (result.Code >= 0)
            {
                return result;
            }
        }

        return RunSlowly(area, argument0, argument1, argument2, argument3);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private SectionResult RunSlowly(PerCpuArea area, long argument0, long argument1, long argument2, long argument3)
    {
        if (area.Slots.Shape != _program.Shape)
        {
            throw new ArgumentException(
                $"The section was written for slots of {_program.Shape.Bytes} bytes selected by {_program.Shape.Index}; "
                    + $"this area has {area.Slots.Shape.Bytes} selected by {area.Slots.Shape.Index}.",
                nameof(area));
        }

        while (true)
        {
            SectionResult result = area.UsesSections ? _code(area.Slots.Base, argument0, argument1, argument2, argument3) : SectionResult.Left(SectionExit.NoSlot);
            if (result.Code == SectionExit.NoSlot)
            {
                result = Interpret(area, [argument0, argument1, argument2, argument3]);
            }

            GC.KeepAlive(area);
            switch (result.Code)
            {
                case SectionExit.Stopped:
                    area.WaitWhileStopped();
                    break;
                case SectionExit.OutOfSlot:
                    throw new InvalidOperationException($"A computed offset lay outside of the {_program.Shape.Bytes} bytes of the slot. Nothing was committed.");
                default:
                    return result;
            }
        }
    }

    private SectionResult Interpret(PerCpuArea area, ReadOnlySpan<long> arguments)
    {
        int index = area.EnterWithoutSection();
        try
        {
            return Volatile.Read(ref area.Slots.StopWord(index)) != 0
                ? SectionResult.Left(SectionExit.Stopped)
                : SectionInterpreter.Run(_program, area.Slots.Slot(index), index, arguments);
        }
        finally
        {
            area.Slots.Unlock(index);
        }
    }
}
